"""SQLAlchemy engines, the check of idle connections, and the detection of a pooler (PgBouncer) before Postgres."""

from __future__ import annotations

import time
from typing import Any

from asyncpg.exceptions import InterfaceError, PostgresError
from sqlalchemy import event
from sqlalchemy.engine import Dialect
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import InvalidatePoolError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from adapters.database.urls import engine_arguments

# A pooler in transaction mode may send each transaction over another server connection, where a named prepared
# statement of the one before does not exist. An unnamed one lasts for its transaction only.
_UNNAMED_STATEMENTS: dict[str, Any] = {
    "prepared_statement_cache_size": 0,
    "statement_cache_size": 0,
    "prepared_statement_name_func": str,
}

# In the ``info`` of a connection to Postgres: whether a pooler is in between, and when it was last used.
IS_POOLED = "is_pooled"
_USED_AT = "used_at"
# A ping is a round trip, which many a transaction has once. A connection that the server has closed is noticed
# without one: only a network that has silently forgotten a connection needs it, and no network forgets so soon.
_PING_AFTER_IDLE_SECONDS = 10.0
# Far below the time that a statement has: what the network has forgotten never answers.
_PING_SECONDS = 5.0


def open_engine(url: str, *, connect_args: dict[str, Any] | None = None, **options: Any) -> AsyncEngine:
    """Create an engine for a database URL. It does not connect yet.

    Args:
        url: The database URL, as in AUTOS_DATABASE_URL.
        connect_args: Passed to the driver. They override those of the URL.
        options: Options of `create_async_engine`.

    Raises:
        ConfigurationError: The URL cannot be used.
    """
    arguments = engine_arguments(url)
    if arguments.url.get_backend_name() == "postgresql":
        # The connection used last, so that few are in use and the others need a ping before their next use.
        options.setdefault("pool_use_lifo", True)
    engine = create_async_engine(
        arguments.url, connect_args={**arguments.connect_args, **(connect_args or {})}, **options
    )
    if engine.dialect.name == "postgresql":
        guard = _PoolerGuard(arguments.pooled)
        event.listen(engine.sync_engine, "do_connect", guard.connect)
        event.listen(engine.sync_engine, "connect", guard.describe)
        check = _IdleCheck()
        event.listen(engine.sync_engine, "connect", check.note_use)
        event.listen(engine.sync_engine, "checkin", check.note_use)
        event.listen(engine.sync_engine, "checkout", check.check)
    return engine


class _IdleCheck:
    """Has the pool connect again if a connection is dead that it is about to hand out."""

    def note_use(self, _: DBAPIConnection | None, entry: ConnectionPoolEntry) -> None:
        """Note when a connection was last used."""
        entry.info[_USED_AT] = time.monotonic()

    def check(self, connection: DBAPIConnection, entry: ConnectionPoolEntry, _: object) -> None:
        """Check a connection: whether the server has closed it, and with a ping whether it answers after a pause.

        Raises:
            InvalidatePoolError: It is dead, and with it probably every other one.
        """
        driver: Any = entry.driver_connection
        if driver.is_closed():
            raise InvalidatePoolError
        if time.monotonic() - entry.info[_USED_AT] < _PING_AFTER_IDLE_SECONDS:
            return
        adapted: Any = connection
        try:
            # Not the dialect's ping: it waits as long as for a statement, and takes three round trips. A query
            # without a prepared statement needs no transaction, also through a pooler.
            adapted.run_async(lambda each: each.execute("SELECT 1", timeout=_PING_SECONDS))
        # A timeout is an OSError.
        except (PostgresError, InterfaceError, OSError):
            raise InvalidatePoolError from None


class _PoolerGuard:
    """Connects, and turns off named prepared statements if a pooler (PgBouncer) is in between.

    Args:
        pooled: Whether there is a pooler. None detects it at the first connection.
    """

    def __init__(self, pooled: bool | None) -> None:
        self._pooled = pooled

    def connect(
        self, dialect: Dialect, entry: ConnectionPoolEntry, cargs: list[Any], cparams: dict[str, Any]
    ) -> DBAPIConnection:
        """Connect. SQLAlchemy calls this instead of its own connect."""
        if not self._pooled:
            connection: Any = dialect.connect(*cargs, **cparams)
            if self._pooled is False or not connection.run_async(_is_pooled):
                return connection  # type: ignore[no-any-return]  # The dialect returns Any.
            self._pooled = True
            connection.close()
        return dialect.connect(*cargs, **cparams, **_UNNAMED_STATEMENTS)

    def describe(self, _: DBAPIConnection, entry: ConnectionPoolEntry) -> None:
        """Note at a connection whether a pooler is in between."""
        entry.info[IS_POOLED] = bool(self._pooled)


async def _is_pooled(connection: Any) -> bool:
    """Return whether the other end is a pooler.

    A pooler invents the backend process id that a client needs to cancel a query, so it differs from the real one.
    """
    async with connection.transaction():
        statement = await connection.prepare("SELECT pg_backend_pid()", name="")
        pid = await statement.fetchval()
    return bool(pid != connection.get_server_pid())
