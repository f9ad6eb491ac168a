"""The pool hands out no dead connection, and asks the server about one only after a pause."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from itertools import count

import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url

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
    assert "SELECT 1" in sent


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


class ForgetfulNetwork:
    """A way to a server on which connections can be forgotten: what is sent is lost, and neither end is told.

    Args:
        socket: The server's Unix socket.
    """

    def __init__(self, socket: str) -> None:
        self._socket = socket
        self._writers: list[asyncio.StreamWriter] = []
        self._forgotten = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry a connection."""
        there, back = await asyncio.open_unix_connection(self._socket)
        place = len(self._writers) // 2
        self._writers += [writer, back]

        async def carry(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
            with suppress(OSError):
                while sent := await source.read(2**16):
                    if place >= self._forgotten:
                        target.write(sent)

        with suppress(asyncio.CancelledError):
            await asyncio.gather(carry(reader, back), carry(there, writer))

    def forget(self) -> None:
        """Forget all connections of now."""
        self._forgotten = len(self._writers) // 2

    def close(self) -> None:
        """Close all connections."""
        for writer in self._writers:
            writer.close()


@asynccontextmanager
async def forgetful_network(url: str) -> AsyncIterator[tuple[ForgetfulNetwork, str]]:
    """Carry connections to a server for as long as the block lasts. Yields the database's URL through it, too."""
    to_server = make_url(url)
    network = ForgetfulNetwork(f"{to_server.query['host']}/.s.PGSQL.{to_server.query.get('port', 5432)}")
    listening = await asyncio.start_server(network.serve, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    through = to_server.set(host="127.0.0.1", port=port).difference_update_query(["host", "port"])
    yield network, through.render_as_string(hide_password=False)
    listening.close()
    network.close()


async def test_connections_that_the_network_has_forgotten_are_replaced(
    postgres: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = await create_database(postgres, f"idle_{next(_COUNTER)}")
    async with forgetful_network(url) as (network, through):
        database = Database(f"{through}?command_timeout=3", pool_size=2)
        before = set(await asyncio.gather(*(read_pid(database) for _ in range(2))))
        monkeypatch.setattr(connections, "_PING_AFTER_IDLE_SECONDS", 0.0)
        monkeypatch.setattr(connections, "_PING_SECONDS", 0.2)
        network.forget()
        assert await read_pid(database) not in before
        # The others are not waited for, one after the other.
        monkeypatch.setattr(connections, "_PING_SECONDS", 60.0)
        after = await asyncio.wait_for(asyncio.gather(*(read_pid(database) for _ in range(2))), 30)
        assert before.isdisjoint(after)
        await database.close()
