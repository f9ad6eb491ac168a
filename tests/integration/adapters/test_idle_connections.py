"""The pool hands out no dead connection, and asks the server about one only after a pause."""

from __future__ import annotations

from collections.abc import AsyncIterator
from itertools import count

import pytest
from sqlalchemy import text

from adapters.database import Database, connections
from tests.support.conditions import eventually
from tests.support.postgres import create_database

_COUNTER = count(1)


@pytest.fixture
async def database(postgres: str) -> AsyncIterator[Database]:
    """A database over one connection to Postgres."""
    database = Database(await create_database(postgres, f"idle_{next(_COUNTER)}"), pool_size=1)
    yield database
    await database.close()


async def read_pid(database: Database) -> int:
    """Return the server's process that serves the pool's connection."""
    async with database.reading() as connection:
        return int(await connection.scalar(text("SELECT pg_backend_pid()")) or 0)


async def log_statements(database: Database) -> list[str]:
    """Return a list to which every further statement of the pool's connection is added."""
    sent: list[str] = []
    async with database.reading() as connection:
        driver = (await connection.get_raw_connection()).driver_connection
        assert driver is not None
        driver.add_query_logger(lambda logged: sent.append(logged.query))
        sent.clear()
    return sent


async def test_a_connection_in_use_is_not_pinged(database: Database) -> None:
    sent = await log_statements(database)
    sent.clear()
    await read_pid(database)
    # The driver does not log prepared statements, as the query of `read_pid`.
    assert [query.split()[0].strip(";") for query in sent] == ["BEGIN", "COMMIT"]


async def test_a_connection_is_pinged_after_a_pause(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    sent = await log_statements(database)
    monkeypatch.setattr(connections, "_PING_AFTER_IDLE_SECONDS", 0.0)
    sent.clear()
    await read_pid(database)
    assert ";" in sent


async def test_a_connection_that_the_server_has_closed_is_replaced(database: Database, postgres: str) -> None:
    before = await read_pid(database)
    other = Database(postgres, pool_size=1)
    async with other.writing() as connection:
        await connection.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": before})

    async def is_gone() -> bool:
        async with other.reading() as connection:
            gone = text("SELECT NOT EXISTS (SELECT 1 FROM pg_stat_activity WHERE pid = :pid)")
            return bool(await connection.scalar(gone, {"pid": before}))

    await eventually(is_gone, "the connection is gone")
    await other.close()
    assert await read_pid(database) != before
