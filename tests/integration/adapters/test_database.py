"""Transactions on SQLite and Postgres: snapshots, rollback, constraints and connection errors."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from adapters.database import Catalog, Database
from adapters.database.migrate import upgrade
from domain.completeness import Outcome
from domain.errors import ConfigurationError, DependencyUnavailable
from domain.run_messages import RunClosing, RunEnding, RunOpening
from tests.integration.adapters.conftest import NewDatabase
from tests.support.listings import document_ids, listing_of, stored_object

ROOT = Path(__file__).parents[3]
WRITER = """
import asyncio, sys
from adapters.database import Catalog, Database
from domain.completeness import Outcome
from domain.run_messages import RunClosing, RunEnding, RunOpening

async def write(url, number, client, run_id):
    catalog = Catalog(Database(url))
    for turn in range(40):
        await catalog.runs.subscribe(RunOpening(number, run_id, "local"), client, f"https://example.com/{turn}")
        # Reads before it writes.
        await catalog.runs.close(RunClosing(number, run_id, RunEnding(Outcome.COMPLETED)))
    await catalog.close()

asyncio.run(write(*sys.argv[1:]))
"""


async def test_a_reader_sees_one_snapshot(database: Database, catalog: Catalog, number: str) -> None:
    [document_id, *_] = document_ids(1)
    await catalog.listings.record(listing_of(number, [document_id]))
    status = text("SELECT status FROM documents WHERE process_number = :number")
    async with database.reading() as connection:
        before = await connection.scalar(status, {"number": number})
        await catalog.documents.mark_available(number, document_id, stored_object(number, document_id))
        after = await connection.scalar(status, {"number": number})
    assert (before, after) == ("pending", "pending")
    assert (await catalog.processes.count_documents(number)).available == 1


async def test_a_writer_that_raises_is_rolled_back(database: Database, catalog: Catalog, number: str) -> None:
    await catalog.listings.record(listing_of(number, document_ids(1)))

    async def fail_half_way() -> None:
        async with database.writing() as connection:
            await connection.execute(
                text("DELETE FROM documents WHERE process_number = :number"), {"number": number}
            )
            raise RuntimeError("half way")

    with pytest.raises(RuntimeError, match="half way"):
        await fail_half_way()
    assert (await catalog.processes.count_documents(number)).total == 1


async def test_foreign_keys_are_enforced(database: Database, number: str) -> None:
    async def subscribe_to_a_missing_run() -> None:
        async with database.writing() as connection:
            await connection.execute(
                text(
                    "INSERT INTO webhook_subscriptions (process_number, client, url, created_at, run_id) "
                    "VALUES (:number, 'local', 'https://example.com', CURRENT_TIMESTAMP, 'none')"
                ),
                {"number": number},
            )

    with pytest.raises(IntegrityError):
        await subscribe_to_a_missing_run()


async def test_two_engines_write_the_same_database_at_once(
    database_url: str, catalog: Catalog, number: str
) -> None:
    other = Catalog(Database(database_url))
    await catalog.listings.record(listing_of(number, document_ids(1)))
    opening = RunOpening(number, str(uuid4()), "local")
    await catalog.runs.open(opening)
    writes = [
        (catalog if turn % 2 else other).runs.subscribe(opening, "local", f"https://example.com/{turn}")
        for turn in range(60)
    ]
    # Closing reads before it writes.
    closing = RunClosing(number, opening.run_id, RunEnding(Outcome.COMPLETED))
    closings = [(catalog if turn % 2 else other).runs.close(closing) for turn in range(30)]
    await asyncio.gather(*writes, *closings)
    await other.close()


async def test_two_services_write_the_same_database_at_once(
    database_url: str, database: Database, catalog: Catalog, number: str
) -> None:
    opening = RunOpening(number, str(uuid4()), "local")
    await catalog.runs.open(opening)
    writers = [
        await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", WRITER, database_url, number, client, opening.run_id),
            cwd=ROOT,
            stderr=subprocess.PIPE,
        )
        for client in ("one", "other")
    ]
    errors = [error.decode() for _, error in await asyncio.gather(*(writer.communicate() for writer in writers))]
    assert errors == ["", ""]
    async with database.reading() as connection:
        count = await connection.scalar(
            text("SELECT count(*) FROM webhook_subscriptions WHERE process_number = :number"), {"number": number}
        )
    assert count == 80


async def test_a_migrated_database_passes_the_check(catalog: Catalog) -> None:
    await catalog.check()


@pytest.mark.parametrize(
    "url",
    [
        "postgresql+asyncpg://autos:a-secret-word@127.0.0.1:1/autos",
        "postgresql+asyncpg://autos:a-secret-word@/autos?host=/nonexistent",
        "sqlite+aiosqlite:////nonexistent/a-secret-word/autos.db",
    ],
)
async def test_an_unreachable_database_is_reported_without_its_url(url: str) -> None:
    catalog = Catalog(Database(url))
    with pytest.raises(DependencyUnavailable) as failed:
        await catalog.check()
    assert failed.value.dependency == "database"
    assert "a-secret-word" not in str(failed.value)
    assert failed.value.__suppress_context__
    await catalog.close()


@pytest.mark.parametrize("change", [("/postgres?", "/missing?"), ("//postgres:", "//nobody:")])
async def test_an_unknown_user_or_database_is_a_configuration_error(postgres: str, change: tuple[str, str]) -> None:
    catalog = Catalog(Database(postgres.replace(*change)))
    with pytest.raises(ConfigurationError, match="AUTOS_DATABASE_URL"):
        await catalog.check()
    await catalog.close()


async def test_a_server_without_free_connections_counts_as_unavailable(postgres: str) -> None:
    owner = Database(postgres)
    async with owner.writing() as connection:
        await connection.execute(text("CREATE ROLE crowd LOGIN CONNECTION LIMIT 0"))
    await owner.close()
    catalog = Catalog(Database(postgres.replace("//postgres:", "//crowd:")))
    with pytest.raises(DependencyUnavailable):
        await catalog.check()
    await catalog.close()


async def test_a_connection_closed_by_the_server_is_replaced(postgres: str) -> None:
    backend_pid = text("SELECT pg_backend_pid()")
    database = Database(postgres, pool_size=1)
    async with database.reading() as connection:
        pid = await connection.scalar(backend_pid)
    other = Database(postgres)
    async with other.writing() as connection:
        await connection.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pid})
    async with database.reading() as connection:
        assert await connection.scalar(backend_pid) != pid
    await other.close()
    await database.close()


async def test_an_unmigrated_database_is_reported_with_the_command_that_helps(new_database: NewDatabase) -> None:
    catalog = Catalog(Database(await new_database()))
    with pytest.raises(DependencyUnavailable, match="autos migrate"):
        await catalog.check()
    await catalog.close()


async def test_sqlite_uses_wal_foreign_keys_and_a_busy_timeout(tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path / 'autos.db'}"
    await asyncio.to_thread(upgrade, url)
    database = Database(url)
    async with database.reading() as connection:
        assert await connection.scalar(text("PRAGMA journal_mode")) == "wal"
        assert await connection.scalar(text("PRAGMA foreign_keys")) == 1
        assert int(await connection.scalar(text("PRAGMA busy_timeout")) or 0) >= 10_000
    await database.close()
