"""``INSERT … ON CONFLICT``: the same in SQLite and Postgres, but SQLAlchemy has it only in their dialects."""

from __future__ import annotations

from sqlalchemy import Table
from sqlalchemy.dialects.postgresql import Insert as PostgresInsert
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.dialects.sqlite import Insert as SqliteInsert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.ext.asyncio import AsyncConnection


def insert_into(connection: AsyncConnection, table: Table) -> PostgresInsert | SqliteInsert:
    """Return an insert of the connection's dialect, which has the ``on_conflict_…`` methods."""
    if connection.dialect.name == "postgresql":
        return postgres_insert(table)
    return sqlite_insert(table)


def on_conflict_overwrite(
    statement: PostgresInsert | SqliteInsert, *, key: tuple[str, ...], columns: tuple[str, ...]
) -> PostgresInsert | SqliteInsert:
    """Make the insert an upsert: it overwrites ``columns`` of the row with the same ``key``, if there is one."""
    return statement.on_conflict_do_update(
        index_elements=list(key), set_={name: statement.excluded[name] for name in columns}
    )
