"""Engines, and what they must know of the way to the server."""

from __future__ import annotations

from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Dialect
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from adapters.database.urls import engine_arguments

# A pooler in transaction mode may send each transaction to another server. A prepared statement with a name stays
# behind on one of them; one without is gone with its transaction, and every transaction prepares its own.
_WITHOUT_NAMES: dict[str, Any] = {
    "prepared_statement_cache_size": 0,
    "statement_cache_size": 0,
    "prepared_statement_name_func": str,
}


def open_engine(url: str, *, connect_args: dict[str, Any] | None = None, **options: Any) -> AsyncEngine:
    """Make an engine for an operator's address. Nothing is connected yet.

    Args:
        url: The address, as in AUTOS_DATABASE_URL.
        connect_args: Passed to the driver as they are, before those of the address.
        options: SQLAlchemy's own.

    Raises:
        ConfigurationError: The address cannot be used.
    """
    arguments = engine_arguments(url)
    options.setdefault("pool_pre_ping", arguments.url.get_backend_name() == "postgresql")
    engine = create_async_engine(
        arguments.url, connect_args={**arguments.connect_args, **(connect_args or {})}, **options
    )
    if engine.dialect.name == "postgresql":
        event.listen(engine.sync_engine, "do_connect", _PoolerGuard(arguments.pooled).connect)
    return engine


class _PoolerGuard:
    """Connects, and does without named prepared statements where a pooler (PgBouncer) stands in between.

    Args:
        pooled: Whether one does. None to find out.
    """

    def __init__(self, pooled: bool | None) -> None:
        self._pooled = pooled

    def connect(
        self, dialect: Dialect, entry: ConnectionPoolEntry, cargs: list[Any], cparams: dict[str, Any]
    ) -> DBAPIConnection:
        """Connect. SQLAlchemy calls this in the place of its own way."""
        if not self._pooled:
            connection: Any = dialect.connect(*cargs, **cparams)
            if self._pooled is False or not connection.run_async(_is_pooled):
                return connection  # type: ignore[no-any-return]
            self._pooled = True
            connection.close()
        return dialect.connect(*cargs, **cparams, **_WITHOUT_NAMES)


async def _is_pooled(connection: Any) -> bool:
    """Return whether the other end is a pooler: it makes up the process id by which a client may cancel."""
    async with connection.transaction():
        statement = await connection.prepare("SELECT pg_backend_pid()", name="")
        pid = await statement.fetchval()
    return bool(pid != connection.get_server_pid())
