"""Two hundred megabytes at whatever a request is read from, and three hundred connections that say nothing."""

from __future__ import annotations

import socket
import time
from collections.abc import AsyncIterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from api.connection_table import open_files_for
from tests.support.attacks import ATTACKS, attacked, is_alive
from tests.support.lone_api import LoneApi, lone_api

SENT_BYTES = 200_000_000
GROWN_BYTES = 100_000_000
SLOWEST_SECONDS = 0.2
SILENT = 300
CROWD = 4_000
HALF_HEAD = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n" + b"".join(
    b"x-%d: %s\r\n" % (n, b"v" * 320) for n in range(95)
)
HALF_BODY = (
    b"POST /webhooks/test HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    b"Content-Length: 65000\r\n\r\n" + b" " * 64_000
)

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
async def api(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[LoneApi]:
    """An API process."""
    async with lone_api(tmp_path_factory.mktemp("api")) as running:
        yield running


@pytest.mark.parametrize("name", ATTACKS)
async def test_health_is_told_at_once_and_memory_stays(api: LoneApi, name: str) -> None:
    damage = await attacked(api, ATTACKS[name], SENT_BYTES)

    assert damage.grown_bytes < GROWN_BYTES
    assert damage.slowest_seconds < SLOWEST_SECONDS


@pytest.mark.parametrize("half", [HALF_HEAD, HALF_BODY], ids=["heads", "bodies"])
async def test_a_crowd_of_halves_gets_no_further(tmp_path: Path, half: bytes) -> None:
    assert open_files_for(CROWD) == CROWD
    async with lone_api(tmp_path) as api:
        before = api.memory_bytes()
        with ExitStack() as crowd:
            for _ in range(CROWD):
                half_way = crowd.enter_context(socket.create_connection(("127.0.0.1", api.port)))
                with suppress(ConnectionError):
                    half_way.sendall(half)
            assert await is_alive(api.port)
            assert api.memory_bytes() - before < GROWN_BYTES


async def test_connections_that_say_nothing_are_ended_within_thirty_seconds(api: LoneApi) -> None:
    with ExitStack() as crowd:
        silent = [
            crowd.enter_context(socket.create_connection(("127.0.0.1", api.port), timeout=30))
            for _ in range(SILENT)
        ]
        begun = time.monotonic()
        assert await is_alive(api.port)
        for each in silent:
            with suppress(ConnectionResetError):
                assert each.recv(1) == b""
        assert 15 < time.monotonic() - begun < 30
