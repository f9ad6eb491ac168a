"""Databases that are filled under an earlier schema and then upgraded."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine

from adapters.database import Catalog, Database
from adapters.database.migrate import upgrade

MIGRATIONS = Path(__file__).parents[2] / "migrations"


def create_schema(connection: Connection, revision: str) -> None:
    """Create the schema of an earlier revision in an empty database."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


@asynccontextmanager
async def open_upgraded_catalog(
    url: str, revision: str, insert_rows: Callable[[Connection], None]
) -> AsyncIterator[Catalog]:
    """Create an earlier schema, insert rows and upgrade it to the newest. Yields the catalog of the database.

    Args:
        url: The address of an empty database.
        revision: The earlier schema.
        insert_rows: Inserts rows into the earlier schema.
    """

    def fill(connection: Connection) -> None:
        create_schema(connection, revision)
        insert_rows(connection)

    engine = create_async_engine(url)
    async with engine.begin() as connection:
        await connection.run_sync(fill)
    await engine.dispose()
    await asyncio.to_thread(upgrade, url)
    catalog = Catalog(Database(url))
    try:
        yield catalog
    finally:
        await catalog.close()
