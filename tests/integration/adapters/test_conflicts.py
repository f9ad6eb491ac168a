"""A transaction that was aborted for another one is retried, on a real Postgres with a real deadlock."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from itertools import count

import pytest
from sqlalchemy import text

from adapters.database import Database
from adapters.database.conflicts import retry_conflicts
from domain.errors import DependencyUnavailable, TransactionConflict
from tests.support.postgres import create_database

_COUNTER = count(1)


@pytest.fixture(scope="module")
async def two_rows(postgres: str) -> AsyncIterator[Database]:
    """A database with two rows."""
    database = Database(await create_database(postgres, f"conflicts_{next(_COUNTER)}"))
    async with database.writing() as connection:
        await connection.execute(text("CREATE TABLE rows (id integer PRIMARY KEY, changes integer NOT NULL)"))
        await connection.execute(text("INSERT INTO rows VALUES (1, 0), (2, 0)"))
    yield database
    await database.close()


class Rows:
    """A repository whose only method locks two rows in the given order."""

    def __init__(self, database: Database, barrier: asyncio.Barrier) -> None:
        self._database = database
        self._barrier = barrier
        self.attempts = 0

    async def update(self, first: int, second: int) -> None:
        """Update both rows. The first attempt waits in between until the other one has locked its first row."""
        self.attempts += 1
        async with self._database.writing() as connection:
            await connection.execute(text("UPDATE rows SET changes = changes + 1 WHERE id = :id"), {"id": first})
            if self.attempts <= 2:
                await self._barrier.wait()
            await connection.execute(text("UPDATE rows SET changes = changes + 1 WHERE id = :id"), {"id": second})


class RetriedRows(Rows):
    """The same repository, with retries."""

    async def update(self, first: int, second: int) -> None:
        """Update both rows."""
        await super().update(first, second)


retry_conflicts(RetriedRows)


async def test_a_deadlock_raises_a_transaction_conflict(two_rows: Database) -> None:
    rows = Rows(two_rows, asyncio.Barrier(2))
    results = await asyncio.gather(rows.update(1, 2), rows.update(2, 1), return_exceptions=True)
    assert [type(each) for each in results if each is not None] == [TransactionConflict]
    assert issubclass(TransactionConflict, DependencyUnavailable)


async def test_a_deadlock_is_retried_and_both_updates_are_made_once(two_rows: Database) -> None:
    async with two_rows.writing() as connection:
        await connection.execute(text("UPDATE rows SET changes = 0"))
    rows = RetriedRows(two_rows, asyncio.Barrier(2))
    await asyncio.gather(rows.update(1, 2), rows.update(2, 1))
    assert rows.attempts == 3
    async with two_rows.reading() as connection:
        assert list(await connection.scalars(text("SELECT changes FROM rows ORDER BY id"))) == [2, 2]
