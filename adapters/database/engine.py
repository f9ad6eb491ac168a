"""The connection to the catalog: one engine for SQLite and Postgres alike."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from ssl import SSLCertVerificationError
from typing import Any

from asyncpg.exceptions import ClientConfigurationError
from sqlalchemy import event, func, select
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from adapters.database.connections import open_engine
from domain.errors import AutosError, ConfigurationError, DependencyUnavailable, TransactionConflict

_BUSY_TIMEOUT_MS = 15_000
_TURN_SECONDS = 15.0
_BEGIN = "sqlite_begin"
# What the server says of a set-up that waiting does not mend, by SQLSTATE or its class.
_CONFIGURATION = {
    "28": "The database refuses the user or the password of AUTOS_DATABASE_URL, or wants TLS (sslmode=require).",
    "3D000": "The database that AUTOS_DATABASE_URL names does not exist.",
    "3F000": "The schema that AUTOS_DATABASE_URL names in its search_path does not exist: create it.",
    "42501": "The user of AUTOS_DATABASE_URL lacks rights in the database: grant it CREATE on the schema.",
}


class Database:
    """An engine with the transactions that the catalog works in.

    Args:
        url: the address, as in AUTOS_DATABASE_URL.
        pool_size: connections kept open.
        connect_args: passed to the driver as they are.

    Attributes:
        dialect: ``sqlite`` or ``postgresql``.
        transactions: how many have been begun; grows.

    Raises:
        ConfigurationError: the address cannot be used.
    """

    def __init__(self, url: str, *, pool_size: int = 8, connect_args: dict[str, Any] | None = None) -> None:
        self.transactions = 0
        self._engine: AsyncEngine = open_engine(
            url,
            connect_args=connect_args,
            pool_size=pool_size,
            max_overflow=pool_size,
            pool_timeout=5,
            # Errors reach the logs, and parameters hold addresses that are secrets to their owners.
            hide_parameters=True,
        )
        self.dialect = self._engine.dialect.name
        self._writers = asyncio.Lock() if self.dialect == "sqlite" else None
        if self.dialect == "sqlite":
            event.listen(self._engine.sync_engine, "connect", _configure_sqlite)
            event.listen(self._engine.sync_engine, "begin", _begin_sqlite)

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that sees one moment of the catalog and changes nothing.

        Raises:
            DependencyUnavailable: the database does not answer.
        """
        with _ConnectionErrors():
            async with self._engine.connect() as connection:
                self.transactions += 1
                if self.dialect == "postgresql":
                    # By default every statement would see a moment of its own.
                    await connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
                async with connection.begin():
                    yield connection

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that is committed when the block ends, and rolled back when it raises.

        Raises:
            DependencyUnavailable: the database does not answer.
        """
        with _ConnectionErrors():
            async with self._turn(), self._engine.connect() as connection:
                self.transactions += 1
                if self.dialect == "sqlite":
                    # A transaction that reads first and writes later would fail at once where two processes
                    # write (SQLITE_BUSY has no waiting on upgrade), so the lock is taken when it begins.
                    await connection.execution_options(**{_BEGIN: "BEGIN IMMEDIATE"})
                async with connection.begin():
                    yield connection

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        """Wait for one's turn to write, in order, and without holding a connection that readers could use.

        SQLite has one writer at a time; who waits for it inside of SQLite waits in no order.
        """
        if self._writers is None:
            yield
            return
        async with asyncio.timeout(_TURN_SECONDS):
            await self._writers.acquire()
        try:
            yield
        finally:
            self._writers.release()

    async def close(self) -> None:
        """Close every connection."""
        await self._engine.dispose()


async def read_clock(connection: AsyncConnection) -> datetime:
    """Return the database's own time. Moments that several machines compare come from this one clock."""
    if connection.dialect.name == "sqlite":
        text = await connection.scalar(select(func.strftime("%Y-%m-%dT%H:%M:%f", "now")))
        return datetime.fromisoformat(str(text)).replace(tzinfo=UTC)
    moment: datetime = (await connection.execute(select(func.clock_timestamp()))).scalar_one()
    return moment.astimezone(UTC)


class _ConnectionErrors:
    """Turn the driver's connection errors into ours, without the statement and its parameters."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        ours = translated(error)
        if ours is not None:
            raise ours from None


def translated(error: BaseException | None) -> AutosError | None:
    """What a driver's error means to us: something to wait for or to mend; none if it is neither."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    state = str(getattr(cause, "sqlstate", None) or "")
    if isinstance(cause, ClientConfigurationError):
        return ConfigurationError(
            "AUTOS_DATABASE_URL: the database's driver cannot use these parameters. Does sslmode=verify-ca or "
            "verify-full have its sslrootcert?"
        )
    if isinstance(cause, SSLCertVerificationError):
        return ConfigurationError(
            "The certificate of the database's server is not trusted: see sslmode and sslrootcert in "
            "AUTOS_DATABASE_URL."
        )
    if isinstance(cause, ConnectionError) and "SSL upgrade" in str(cause):
        return ConfigurationError(
            "The database's server takes no TLS, and sslmode in AUTOS_DATABASE_URL asks for it."
        )
    if configured := _CONFIGURATION.get(state) or _CONFIGURATION.get(state[:2]):
        return ConfigurationError(configured)
    if state == "08P01" and "startup parameter" in str(cause):
        return ConfigurationError(
            "The pooler in front of the database refuses a parameter of AUTOS_DATABASE_URL (options, search_path, "
            "statement_timeout or the like): set it by ALTER ROLE, or have the pooler ignore it."
        )
    if "file is not a database" in str(cause):
        return ConfigurationError("The file of AUTOS_DATABASE_URL is not an SQLite database.")
    if state == "42P01" or (isinstance(error, OperationalError) and "no such table" in str(cause)):
        return DependencyUnavailable("database", "The catalog's database lacks a table: run `autos migrate`.")
    if state == "25006" or "attempt to write a readonly database" in str(cause):
        return DependencyUnavailable("database", "The catalog's database takes no writes now: it is read-only.")
    # 40P01 is a deadlock, 40001 a serialization failure: the transaction was rolled back in favour of another one.
    if state in ("40P01", "40001"):
        return TransactionConflict("database", "The catalog's database is busy with conflicting changes.")
    lost = isinstance(error, InterfaceError | OperationalError | PoolTimeout | OSError) or (
        # Without a statement the server has refused the connection itself: it is full, starts up or shuts down.
        isinstance(error, DBAPIError) and (error.connection_invalidated or error.statement is None)
    )
    if lost:
        return DependencyUnavailable(
            "database", f"The catalog's database does not answer ({type(cause).__name__})."
        )
    return None


def _configure_sqlite(connection: Any, _: object) -> None:
    # The driver must not open transactions by itself: `_begin_sqlite` says how each one begins.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in (
        f"busy_timeout = {_BUSY_TIMEOUT_MS}",
        "journal_mode = WAL",
        "synchronous = NORMAL",
        "foreign_keys = ON",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    connection.exec_driver_sql(connection.get_execution_options().get(_BEGIN, "BEGIN"))
