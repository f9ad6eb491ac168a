"""What an operator is told about a database, on SQLite and on Postgres, without a change to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.engine import make_url

from adapters.database.inspection import DatabaseInspector, SchemaVersion
from adapters.database.migrate import upgrade
from domain.errors import ConfigurationError, DependencyUnavailable
from tests.integration.adapters.conftest import NewDatabase
from tests.integration.adapters.test_migrations import list_tables, run_in_transaction
from tests.support.migrations import create_schema
from tests.support.postgres import create_database


@asynccontextmanager
async def inspecting(url: str) -> AsyncIterator[DatabaseInspector]:
    """Inspect a database for as long as the block lasts."""
    inspector = DatabaseInspector(url)
    try:
        yield inspector
    finally:
        await inspector.close()


async def test_a_migrated_database(new_database: NewDatabase) -> None:
    url = await new_database()
    await asyncio.to_thread(upgrade, url)
    async with inspecting(url) as inspector:
        assert abs(await inspector.read_clock() - datetime.now(UTC)) < timedelta(seconds=5)
        schema = await inspector.read_schema()
        assert schema.applied == schema.newest
        await inspector.check_writes()


async def test_an_earlier_schema(new_database: NewDatabase) -> None:
    url = await new_database()
    await run_in_transaction(url, lambda connection: create_schema(connection, "0001"))
    async with inspecting(url) as inspector:
        schema = await inspector.read_schema()
    assert schema.applied == "0001" < schema.newest


async def test_an_empty_database_stays_empty(new_database: NewDatabase) -> None:
    url = await new_database()
    await run_in_transaction(url, lambda connection: connection.execute(text("SELECT 1")))
    async with inspecting(url) as inspector:
        assert (await inspector.read_schema()).applied is None
    assert await run_in_transaction(url, list_tables) == set()


async def test_a_file_that_does_not_exist_is_not_created(tmp_path: Path) -> None:
    file = tmp_path / "autos.db"
    async with inspecting(f"sqlite:///{file}") as inspector:
        with pytest.raises(DependencyUnavailable, match="does not exist"):
            await inspector.read_clock()
    assert not file.exists()


async def test_a_foreign_file_keeps_its_journal_mode(tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path / 'others.db'}"
    await run_in_transaction(
        url, lambda connection: connection.execute(text("CREATE TABLE documents (id INTEGER)"))
    )
    async with inspecting(url) as inspector:
        with pytest.raises(ConfigurationError, match="table documents"):
            await inspector.read_schema()
    mode = await run_in_transaction(
        url, lambda connection: connection.execute(text("PRAGMA journal_mode")).scalar_one()
    )
    assert mode == "delete"


async def test_a_replica_takes_no_writes(postgres: str) -> None:
    url = await create_database(postgres, "inspected_replica")
    await asyncio.to_thread(upgrade, url)
    await run_in_transaction(
        url,
        lambda connection: connection.execute(
            text("ALTER DATABASE inspected_replica SET default_transaction_read_only = on")
        ),
    )
    async with inspecting(url) as inspector:
        with pytest.raises(DependencyUnavailable, match="read-only"):
            await inspector.check_writes()


async def test_a_user_without_rights(postgres: str) -> None:
    url = await create_database(postgres, "inspected_rights")
    await asyncio.to_thread(upgrade, url)

    def create_reader(connection: Connection) -> None:
        for statement in (
            "CREATE ROLE doctors_reader LOGIN",
            "GRANT SELECT ON ALL TABLES IN SCHEMA public TO doctors_reader",
        ):
            connection.execute(text(statement))

    await run_in_transaction(url, create_reader)
    reader = make_url(url).set(username="doctors_reader").render_as_string(hide_password=False)
    async with inspecting(reader) as inspector:
        schema = await inspector.read_schema()
        assert schema == SchemaVersion(schema.newest, schema.newest)
        with pytest.raises(ConfigurationError, match="lacks rights"):
            await inspector.check_writes()
