"""Migrations produce exactly the schema that the code expects, and can be undone."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import JSON, Column, Connection, inspect
from sqlalchemy.ext.asyncio import create_async_engine

from adapters.database import Catalog, Database
from adapters.database.migrate import upgrade
from adapters.database.tables import metadata
from domain.errors import DependencyUnavailable
from tests.integration.adapters.conftest import NewDatabase
from tests.support.listings import document_ids, listing_of
from tests.support.migrations import MIGRATIONS


async def run_in_transaction(url: str, do: Any) -> Any:
    """Run a function on a plain connection, in a transaction."""
    engine = create_async_engine(url)
    try:
        async with engine.begin() as connection:
            return await connection.run_sync(do)
    finally:
        await engine.dispose()


def compare_default(_: object, __: object, column: Column[Any], *___: object) -> bool | None:
    """Use Alembic's comparison, except for JSON, which Postgres cannot compare."""
    return False if isinstance(column.type, JSON) else None


def find_differences(connection: Connection) -> list[Any]:
    """Return what a migration would still have to change."""
    options = {"compare_type": True, "compare_server_default": compare_default}
    return list(compare_metadata(MigrationContext.configure(connection, opts=options), metadata))


def downgrade(connection: Connection) -> None:
    """Undo every migration."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    command.downgrade(config, "base")


def list_tables(connection: Connection) -> set[str]:
    """Return the names of all tables."""
    return set(inspect(connection).get_table_names())


async def test_migrations_create_the_schema_that_the_code_expects(new_database: NewDatabase) -> None:
    url = await new_database()
    await asyncio.to_thread(upgrade, url)
    assert await run_in_transaction(url, find_differences) == []
    assert await run_in_transaction(url, list_tables) == {*metadata.tables, "alembic_version"}


async def test_migrating_again_changes_nothing(new_database: NewDatabase, number: str) -> None:
    url = await new_database()
    await asyncio.to_thread(upgrade, url)
    database = Database(url)
    await Catalog(database).listings.record(listing_of(number, document_ids(3)))
    await asyncio.to_thread(upgrade, url)
    assert (await Catalog(database).processes.count_documents(number)).pending == 3
    await database.close()


async def test_migrations_can_be_undone_and_repeated(new_database: NewDatabase) -> None:
    url = await new_database()
    await asyncio.to_thread(upgrade, url)
    await run_in_transaction(url, downgrade)
    assert await run_in_transaction(url, list_tables) == {"alembic_version"}
    await asyncio.to_thread(upgrade, url)
    assert await run_in_transaction(url, find_differences) == []


async def test_the_folder_of_a_sqlite_file_is_created(tmp_path: Path) -> None:
    file = tmp_path / "new" / "folder" / "autos.db"
    await asyncio.to_thread(upgrade, f"sqlite+aiosqlite:///{file}")
    assert file.exists()


async def test_an_unreachable_database_is_reported_without_its_password() -> None:
    url = "postgresql+asyncpg://autos:a-secret-word@127.0.0.1:1/autos"
    with pytest.raises(DependencyUnavailable) as failed:
        await asyncio.to_thread(upgrade, url)
    assert failed.value.dependency == "database"
    assert "a-secret-word" not in str(failed.value)
    assert failed.value.__suppress_context__
