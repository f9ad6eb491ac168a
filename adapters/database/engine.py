"""Transactions on the catalog's database, the same for SQLite and Postgres."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import event, func, select
from sqlalchemy.engine import Connection
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.pool import ConnectionPoolEntry
from sqlalchemy.util import await_only

from adapters.database.connections import IS_POOLED, open_engine
from adapters.database.error_mapping import TranslatingDriverErrors
from domain.database_address import DatabaseAddress

_BUSY_TIMEOUT_MS = 15_000
_WRITE_LOCK_TIMEOUT_SECONDS = 15.0
_PRAGMA_PAUSE_SECONDS = 0.05
# Name of the execution option that holds the BEGIN statement of a transaction.
_BEGIN_OPTION = "sqlite_begin"
# Execution options of a transaction that takes SQLite's write lock when it begins.
WRITE_LOCK_OPTION = {_BEGIN_OPTION: "BEGIN IMMEDIATE"}
# Those of a single statement, which takes the write lock by itself, and waits for it.
_NO_BEGIN = {_BEGIN_OPTION: ""}
_PRAGMAS = (
    f"busy_timeout = {_BUSY_TIMEOUT_MS}",
    "journal_mode = WAL",
    "synchronous = NORMAL",
    "foreign_keys = ON",
)


class Database:
    """An engine with the catalog's two kinds of transactions.

    Args:
        url: The database URL, as in AUTOS_DATABASE_URL.
        pool_size: Number of connections kept open.
        connect_args: Passed to the driver.

    Attributes:
        dialect: ``sqlite`` or ``postgresql``.
        transactions: Number of transactions begun so far.

    Raises:
        ConfigurationError: The URL cannot be used.
    """

    def __init__(self, url: str, *, pool_size: int = 8, connect_args: dict[str, Any] | None = None) -> None:
        self.transactions = 0
        self._place = DatabaseAddress.parse(url).describe()
        self._engine: AsyncEngine = open_engine(
            url,
            connect_args=connect_args,
            pool_size=pool_size,
            max_overflow=pool_size,
            pool_timeout=5,
            # Errors reach the logs, and parameters contain webhook URLs, which are secrets of their owners.
            hide_parameters=True,
        )
        self.dialect = self._engine.dialect.name
        self._write_lock = asyncio.Lock() if self.dialect == "sqlite" else None
        if self.dialect == "sqlite":
            begin_explicitly(self._engine, pragmas=_PRAGMAS)

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """Open a read-only transaction on one snapshot of the catalog.

        Raises:
            DependencyUnavailable: The database does not answer.
        """
        with TranslatingDriverErrors(self._place):
            async with self._engine.connect() as connection:
                self.transactions += 1
                if self.dialect == "postgresql":
                    # By default every statement would see its own snapshot.
                    await connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
                async with connection.begin():
                    yield connection

    @asynccontextmanager
    async def writing(self, *, one_statement: bool = False) -> AsyncIterator[AsyncConnection]:
        """Open a transaction that is committed when the block ends, and rolled back when it raises.

        Args:
            one_statement: The block executes one statement, with one set of parameters. That is a transaction
                without BEGIN and COMMIT, which are two round trips on Postgres, and on SQLite two of a thread.

        Raises:
            DependencyUnavailable: The database does not answer.
        """
        with TranslatingDriverErrors(self._place):
            async with self._wait_for_write_lock(), self._engine.connect() as connection:
                self.transactions += 1
                if self.dialect == "sqlite":
                    # Take the write lock at BEGIN. A transaction that reads first and writes later fails at once
                    # with SQLITE_BUSY if another service writes: SQLite does not wait for a lock upgrade.
                    await connection.execution_options(**(_NO_BEGIN if one_statement else WRITE_LOCK_OPTION))
                elif one_statement and not connection.info[IS_POOLED]:
                    # Through a pooler, only a transaction prepares and executes a statement at the same server.
                    await connection.execution_options(isolation_level="AUTOCOMMIT")
                async with connection.begin():
                    yield connection

    @asynccontextmanager
    async def _wait_for_write_lock(self) -> AsyncIterator[None]:
        """On SQLite, hold the write lock. Waiters queue in order, and hold no connection that readers could use.

        SQLite allows one writer at a time, and its own waiting has no order.
        """
        if self._write_lock is None:
            yield
            return
        async with asyncio.timeout(_WRITE_LOCK_TIMEOUT_SECONDS):
            await self._write_lock.acquire()
        try:
            yield
        finally:
            self._write_lock.release()

    async def close(self) -> None:
        """Close every connection: those in use, if a cancelled task has yet to give one back, when it does."""
        event.listen(self._engine.sync_engine, "checkin", _close_returned)
        await self._engine.dispose()


async def read_clock(connection: AsyncConnection) -> datetime:
    """Return the database's time. Times that several machines compare must come from this one clock."""
    if connection.dialect.name == "sqlite":
        text = await connection.scalar(select(func.strftime("%Y-%m-%dT%H:%M:%f", "now")))
        return datetime.fromisoformat(str(text)).replace(tzinfo=UTC)
    moment: datetime = (await connection.execute(select(func.clock_timestamp()))).scalar_one()
    return moment.astimezone(UTC)


def begin_explicitly(engine: AsyncEngine, *, pragmas: Sequence[str]) -> None:
    """Have SQLAlchemy begin SQLite's transactions, so that they contain every statement, also those of the schema.

    The driver itself begins one at the first change of rows only.

    Args:
        engine: An engine for SQLite that has not connected yet.
        pragmas: The pragmas of each connection.
    """

    def configure(connection: Any, _: object) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in pragmas:
            _set_pragma(cursor, pragma)
        cursor.close()

    event.listen(engine.sync_engine, "connect", configure)
    event.listen(engine.sync_engine, "begin", _begin_sqlite)
    event.listen(engine.sync_engine, "invalidate", _end_sqlite_transaction)


def _close_returned(_: DBAPIConnection | None, record: ConnectionPoolEntry) -> None:
    """Close a connection that comes back to a pool that is no longer used, and would forget it open."""
    if record.dbapi_connection is not None:
        record.invalidate()


def _set_pragma(cursor: Any, pragma: str) -> None:
    ends_at = time.monotonic() + _BUSY_TIMEOUT_MS / 1000
    while True:
        try:
            cursor.execute(f"PRAGMA {pragma}")
            return
        except sqlite3.OperationalError as error:
            # SQLite waits for other locks by itself, but not for the one that changes the journal of a new file.
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() >= ends_at:
                raise
        await_only(asyncio.sleep(_PRAGMA_PAUSE_SECONDS))


def _begin_sqlite(connection: Connection) -> None:
    statement = connection.get_execution_options().get(_BEGIN_OPTION, "BEGIN")
    if statement:
        connection.exec_driver_sql(statement)


def _end_sqlite_transaction(connection: DBAPIConnection, *_: object) -> None:
    """Roll back before SQLAlchemy closes a connection whose task was cancelled.

    SQLite closes a connection only after its last statement. That of a cancelled task lives as long as the
    traceback of the cancellation, and the transaction with it: nobody else could write until then.
    """
    try:
        connection.rollback()
    except BaseException:
        # The task was cancelled once more: SQLAlchemy does not go on to close it.
        connection.terminate()
        raise
