"""Migrations lead to the very schema that the code works on, and back."""

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
from tests.adapters.conftest import NewDatabase
from tests.support.listings import document_ids, listing_of

MIGRATIONS = Path(__file__).parents[2] / "migrations"


async def within(url: str, do: Any) -> Any:
    """Do something on a plain connection, in a transaction."""
    engine = create_async_engine(url)
    try:
        async with engine.begin() as connection:
            return await connection.run_sync(do)
    finally:
        await engine.dispose()


def compare_default(_: object, __: object, column: Column[Any], *___: object) -> bool | None:
    """Leave it to Alembic, except where Postgres has no way to compare."""
    return False if isinstance(column.type, JSON) else None


def differences(connection: Connection) -> list[Any]:
    """What a migration would still have to change."""
    options = {"compare_type": True, "compare_server_default": compare_default}
    return list(compare_metadata(MigrationContext.configure(connection, opts=options), metadata))


def downgrade(connection: Connection) -> None:
    """Undo every migration."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    command.downgrade(config, "base")


def tables(connection: Connection) -> set[str]:
    """The tables that are there."""
    return set(inspect(connection).get_table_names())


async def test_migrations_make_the_schema_that_the_code_expects(new_database: NewDatabase) -> None:
    url = await new_database()
    await asyncio.to_thread(upgrade, url)
    assert await within(url, differences) == []
    assert await within(url, tables) == {*metadata.tables, "alembic_version"}


async def test_migrating_again_changes_nothing(new_database: NewDatabase, number: str) -> None:
    url = await new_database()
    await asyncio.to_thread(upgrade, url)
    database = Database(url)
    await Catalog(database).listings.record(listing_of(number, document_ids(3)))
    await asyncio.to_thread(upgrade, url)
    assert (await Catalog(database).processes.completeness(number)).pending == 3
    await database.close()


async def test_migrations_can_be_undone_and_done_again(new_database: NewDatabase) -> None:
    url = await new_database()
    await asyncio.to_thread(upgrade, url)
    await within(url, downgrade)
    assert await within(url, tables) == {"alembic_version"}
    await asyncio.to_thread(upgrade, url)
    assert await within(url, differences) == []


async def test_the_folder_of_a_sqlite_file_is_made(tmp_path: Path) -> None:
    file = tmp_path / "new" / "folder" / "autos.db"
    await asyncio.to_thread(upgrade, f"sqlite+aiosqlite:///{file}")
    assert file.exists()


async def test_a_database_that_is_away_is_reported_without_its_password() -> None:
    url = "postgresql+asyncpg://autos:a-secret-word@127.0.0.1:1/autos"
    with pytest.raises(DependencyUnavailable) as failed:
        await asyncio.to_thread(upgrade, url)
    assert failed.value.dependency == "database"
    assert "a-secret-word" not in str(failed.value)
    assert failed.value.__suppress_context__
