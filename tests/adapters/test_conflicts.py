"""A transaction that loses against another one is tried again, on a real Postgres that finds a real deadlock."""

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
    """A repository whose one method locks two rows in the order it is told."""

    def __init__(self, database: Database, meeting: asyncio.Barrier) -> None:
        self._database = database
        self._meeting = meeting
        self.attempts = 0

    async def change(self, first: int, second: int) -> None:
        """Change both. At the first attempt wait in between until the other one holds its first row, too."""
        self.attempts += 1
        async with self._database.writing() as connection:
            await connection.execute(text("UPDATE rows SET changes = changes + 1 WHERE id = :id"), {"id": first})
            if self.attempts <= 2:
                await self._meeting.wait()
            await connection.execute(text("UPDATE rows SET changes = changes + 1 WHERE id = :id"), {"id": second})


class PatientRows(Rows):
    """The same, tried again."""

    async def change(self, first: int, second: int) -> None:
        """Change both."""
        await super().change(first, second)


retry_conflicts(PatientRows)


async def test_a_deadlock_has_a_name_of_its_own(two_rows: Database) -> None:
    rows = Rows(two_rows, asyncio.Barrier(2))
    ended = await asyncio.gather(rows.change(1, 2), rows.change(2, 1), return_exceptions=True)
    assert [type(each) for each in ended if each is not None] == [TransactionConflict]
    assert issubclass(TransactionConflict, DependencyUnavailable)


async def test_a_deadlock_is_tried_again_and_both_changes_are_made_once(two_rows: Database) -> None:
    async with two_rows.writing() as connection:
        await connection.execute(text("UPDATE rows SET changes = 0"))
    rows = PatientRows(two_rows, asyncio.Barrier(2))
    await asyncio.gather(rows.change(1, 2), rows.change(2, 1))
    assert rows.attempts == 3
    async with two_rows.reading() as connection:
        assert list(await connection.scalars(text("SELECT changes FROM rows ORDER BY id"))) == [2, 2]
