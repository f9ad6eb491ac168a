"""Migrations that are killed in the middle, and several at once."""

from __future__ import annotations

import asyncio
import signal
import sys

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, inspect, text
from sqlalchemy.ext.asyncio import create_async_engine

from adapters.database.migrate import open_scripts, upgrade
from adapters.database.tables import metadata
from domain.errors import DependencyUnavailable
from tests.integration.adapters.conftest import NewDatabase
from tests.support.migrations import create_schema
from tests.support.paths import ROOT
from tests.support.postgres import create_database

pytestmark = pytest.mark.thorough

AT_ONCE = 4
MIGRATE = """
import sys
from adapters.database.migrate import upgrade
upgrade(sys.argv[1])
"""
# Ends as by a power failure once a statement with the given words has been executed.
KILLED_MIGRATE = (
    """
import os, signal, sys
from sqlalchemy import Engine, event

@event.listens_for(Engine, "after_cursor_execute")
def kill(connection, cursor, statement, *_):
    if all(word in statement for word in sys.argv[2:]):
        os.kill(os.getpid(), signal.SIGKILL)
"""
    + MIGRATE
)
# The first of the two statements of this migration.
BEFORE, HALF_OF_0012 = "0011", ("ALTER TABLE api_keys ADD COLUMN", "expires_at")


async def run(program: str, *arguments: str) -> tuple[int, str]:
    """Run a program with these arguments. Returns its exit code and standard error."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", program, *arguments), cwd=ROOT, stderr=asyncio.subprocess.PIPE
    )
    _, stderr = await process.communicate()
    assert process.returncode is not None
    return process.returncode, stderr.decode()


def read_revision(connection: Connection) -> str | None:
    """Return the revision of a database."""
    return MigrationContext.configure(connection).get_current_revision()


def list_columns(connection: Connection) -> set[str]:
    """Return the names of the columns of `api_keys`."""
    return {column["name"] for column in inspect(connection).get_columns("api_keys")}


def find_changes(connection: Connection) -> list[object]:
    """Return what a migration would still have to change."""
    return list(compare_metadata(MigrationContext.configure(connection), metadata))


async def test_a_migration_that_is_killed_in_the_middle_changes_nothing(new_database: NewDatabase) -> None:
    url = await new_database()
    engine = create_async_engine(url)
    async with engine.begin() as connection:
        await connection.run_sync(create_schema, BEFORE)

    code, _ = await run(KILLED_MIGRATE, url, *HALF_OF_0012)

    assert code == -signal.SIGKILL
    async with engine.connect() as connection:
        assert await connection.run_sync(read_revision) == BEFORE
        assert "expires_at" not in await connection.run_sync(list_columns)
    await asyncio.to_thread(upgrade, url)
    async with engine.connect() as connection:
        assert await connection.run_sync(find_changes) == []
    await engine.dispose()


async def test_a_first_migration_that_is_killed_leaves_an_empty_database(new_database: NewDatabase) -> None:
    url = await new_database()

    code, _ = await run(KILLED_MIGRATE, url, *HALF_OF_0012)

    assert code == -signal.SIGKILL
    engine = create_async_engine(url)
    async with engine.connect() as connection:
        assert await connection.run_sync(lambda sync: inspect(sync).get_table_names()) == []
    await engine.dispose()


async def test_a_backup_under_way_ends_a_migration_and_stops_no_service(postgres: str) -> None:
    url = await create_database(postgres, "autos_during_a_backup")
    engine = create_async_engine(url)
    async with engine.begin() as connection:
        await connection.run_sync(create_schema, BEFORE)

    async with engine.begin() as backup:
        # As pg_dump holds every table, for as long as it takes.
        await backup.execute(text("LOCK TABLE api_keys, documents IN ACCESS SHARE MODE"))
        with pytest.raises(DependencyUnavailable, match="Another transaction, such as a backup"):
            await asyncio.wait_for(asyncio.to_thread(upgrade, url), 60)
        async with engine.begin() as service:
            assert (await service.execute(text("SELECT count(*) FROM documents"))).scalar_one() == 0
            assert await service.run_sync(read_revision) == BEFORE

    await asyncio.to_thread(upgrade, url)
    async with engine.connect() as connection:
        assert await connection.run_sync(find_changes) == []
    await engine.dispose()


async def test_services_that_migrate_at_once_take_turns(new_database: NewDatabase) -> None:
    url = await new_database()

    ended = await asyncio.gather(*(run(MIGRATE, url) for _ in range(AT_ONCE)))

    assert [code for code, _ in ended] == [0] * AT_ONCE, [stderr for _, stderr in ended]
    engine = create_async_engine(url)
    async with engine.connect() as connection:
        assert await connection.run_sync(read_revision) == open_scripts().get_current_head()
        assert await connection.run_sync(find_changes) == []
    await engine.dispose()
