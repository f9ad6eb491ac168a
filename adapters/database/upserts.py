"""``INSERT … ON CONFLICT``, which SQLite and Postgres spell alike but SQLAlchemy keeps in their dialects."""

from __future__ import annotations

from sqlalchemy import Table
from sqlalchemy.dialects.postgresql import Insert as PostgresInsert
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.dialects.sqlite import Insert as SqliteInsert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.ext.asyncio import AsyncConnection


def insert_into(connection: AsyncConnection, table: Table) -> PostgresInsert | SqliteInsert:
    """An insert of the connection's dialect, which has ``on_conflict_do_nothing`` and ``…_do_update``."""
    if connection.dialect.name == "postgresql":
        return postgres_insert(table)
    return sqlite_insert(table)


def refreshing(
    statement: PostgresInsert | SqliteInsert, *, key: tuple[str, ...], columns: tuple[str, ...]
) -> PostgresInsert | SqliteInsert:
    """Make the insert overwrite ``columns`` of the row that has the same ``key``, if there is one."""
    return statement.on_conflict_do_update(
        index_elements=list(key), set_={name: statement.excluded[name] for name in columns}
    )
