"""Fills a migrated, empty catalog with millions of rows. Indexes are made afterwards, foreign keys not checked."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from typing import Any

from sqlalchemy import Index, func, select, text
from sqlalchemy.dialects import sqlite
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.schema import CreateIndex, DropIndex

import adapters.database.catalog  # noqa: F401 - defines every table.
from adapters.database.tables import metadata
from benchmarks.catalog_rows import MadeUpCatalog

_TIMEOUT_SECONDS = 1800
# Tables whose rows are written with their numbers, which Postgres is to go on from.
_NUMBERED = (("instances", "id"), ("webhook_subscriptions", "id"), ("webhook_deliveries", "number"))
_SQLITE_FORMAT = "%Y-%m-%d %H:%M:%S.%f"


async def fill(url: str, catalog: MadeUpCatalog) -> None:
    """Write every row of a made-up catalog into the database, and have it collect its statistics.

    SQLite collects none, because the service never asks it to.
    """
    if make_url(url).get_backend_name() == "sqlite":
        await asyncio.to_thread(_fill_sqlite, str(make_url(url).database), catalog)
    else:
        await _fill_postgres(url, catalog)


def _fill_sqlite(file: str, catalog: MadeUpCatalog) -> None:
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("BEGIN")
        for table, columns, rows in catalog.tables():
            for index in _indexes(table):
                connection.execute(f"DROP INDEX {index.name}")
            places = ", ".join("?" * len(columns))
            statement = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({places})"  # noqa: S608 - our own names.
            connection.executemany(statement, _with_texts(rows))
            for index in _indexes(table):
                connection.execute(str(CreateIndex(index).compile(dialect=sqlite.dialect())))
        connection.execute("COMMIT")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _with_texts(rows: Iterator[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
    """Yield rows with times as SQLAlchemy writes them to SQLite. The same moment is seldom another object."""
    texts: dict[datetime, str] = {}
    for row in rows:
        yield tuple(
            texts.setdefault(value, value.strftime(_SQLITE_FORMAT)) if type(value) is datetime else value
            for value in row
        )
        if len(texts) > 100:
            texts.clear()


async def _fill_postgres(url: str, catalog: MadeUpCatalog) -> None:
    engine = create_async_engine(
        url, isolation_level="AUTOCOMMIT", connect_args={"command_timeout": _TIMEOUT_SECONDS}
    )
    async with engine.connect() as connection:
        # No triggers of foreign keys.
        await connection.execute(text("SET session_replication_role = replica"))
        driver: Any = (await connection.get_raw_connection()).driver_connection
        for table, columns, rows in catalog.tables():
            for index in _indexes(table):
                await connection.execute(DropIndex(index))
            await driver.copy_records_to_table(table, records=rows, columns=columns)
            for index in _indexes(table):
                await connection.execute(CreateIndex(index))
        for table, column in _NUMBERED:
            place = metadata.tables[table].c[column]
            sequence = func.pg_get_serial_sequence(table, column)
            await connection.execute(select(func.setval(sequence, select(func.max(place)).scalar_subquery())))
        await connection.execute(text("VACUUM ANALYZE"))
    await engine.dispose()


def _indexes(table: str) -> list[Index]:
    """Return the indexes that a table has besides those of its constraints."""
    return sorted(metadata.tables[table].indexes, key=lambda index: str(index.name))
