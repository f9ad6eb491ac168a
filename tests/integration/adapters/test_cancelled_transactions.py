"""Transactions whose task is cancelled, as when a run is cancelled while its activities write."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy import text

from adapters.database.engine import Database
from tests.integration.adapters.conftest import NewDatabase

# Some milliseconds in the driver's thread, and then a row that nobody has fetched yet.
SLOW_SELECT = text(
    "WITH RECURSIVE counted(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM counted WHERE i < 20000) "
    "SELECT count(*) FROM counted"
)


def assert_is_writable(path: Path) -> None:
    """Fail if somebody holds the write lock."""
    with closing(sqlite3.connect(path, timeout=30, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("ROLLBACK")


async def test_a_cancelled_transaction_leaves_no_write_lock_behind(tmp_path: Path) -> None:
    path = tmp_path / "autos.db"
    database = Database(f"sqlite+aiosqlite:///{path}")
    async with database.writing() as connection:
        await connection.execute(text("CREATE TABLE numbers (i INTEGER)"))

    async def write() -> None:
        async with database.writing() as connection:
            for _ in range(2):
                await connection.execute(text("INSERT INTO numbers VALUES (1)"))
                await connection.execute(SLOW_SELECT)

    # Their tracebacks hold the cursors of the cancelled statements, as long as somebody holds them.
    cancellations: list[BaseException] = []
    for step in range(40):
        task = asyncio.create_task(write())
        await asyncio.wait({task}, timeout=step / 2000)
        task.cancel()
        try:
            await task
        except asyncio.CancelledError as cancellation:
            cancellations.append(cancellation)
        assert_is_writable(path)
    assert len(cancellations) > 5
    async with database.reading() as connection:
        written = await connection.scalar(text("SELECT count(*) FROM numbers"))
    # Each transaction is there as a whole or not at all.
    assert written % 2 == 0
    await database.close()


async def test_a_connection_that_is_in_use_when_the_database_is_closed_is_closed_too(
    new_database: NewDatabase,
) -> None:
    database = Database(await new_database())
    async with database.reading() as connection:
        driver = (await connection.get_raw_connection()).driver_connection
        await database.close()
        # What is under way is done to its end.
        assert await connection.scalar(text("SELECT 1")) == 1

    assert driver is not None
    with pytest.raises((ValueError, asyncpg.InterfaceError), match=r"no active connection|is closed"):
        await driver.execute("SELECT 1")
