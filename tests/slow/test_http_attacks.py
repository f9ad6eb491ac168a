"""HTTP attacks at their full size: 200 MB for each part of a request, and hundreds of idle connections."""

from __future__ import annotations

import socket
import time
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from api.server.connection_table import open_files_for
from tests.support.api_service import ApiService, running_lone_api
from tests.support.http_attacks import ENDLESS_REQUESTS, answers_health_check, run_attack

SENT_BYTES = 200_000_000
GROWN_BYTES = 100_000_000
SLOWEST_SECONDS = 0.2
SILENT = 300
UNFINISHED = 4_000
HALF_HEAD = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n" + b"".join(
    b"x-%d: %s\r\n" % (n, b"v" * 320) for n in range(95)
)
HALF_BODY = (
    b"POST /webhooks/test HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    b"Content-Length: 65000\r\n\r\n" + b" " * 64_000
)

pytestmark = pytest.mark.long


@pytest.mark.parametrize("name", ENDLESS_REQUESTS)
async def test_a_request_that_never_ends_costs_little_memory_and_delays_no_health_check(
    lone_api: ApiService, name: str
) -> None:
    impact = await run_attack(lone_api, ENDLESS_REQUESTS[name], SENT_BYTES)

    assert impact.grown_bytes < GROWN_BYTES
    assert impact.slowest_seconds < SLOWEST_SECONDS


@pytest.mark.parametrize("half", [HALF_HEAD, HALF_BODY], ids=["heads", "bodies"])
async def test_thousands_of_unfinished_requests_cost_little_memory(tmp_path: Path, half: bytes) -> None:
    assert open_files_for(UNFINISHED) == UNFINISHED
    async with running_lone_api(tmp_path) as api:
        before = api.memory_bytes()
        with ExitStack() as connections:
            for _ in range(UNFINISHED):
                connection = connections.enter_context(socket.create_connection(("127.0.0.1", api.port)))
                with suppress(ConnectionError):
                    connection.sendall(half)
            assert await answers_health_check(api.port)
            assert api.memory_bytes() - before < GROWN_BYTES


async def test_idle_connections_are_closed_within_thirty_seconds(lone_api: ApiService) -> None:
    with ExitStack() as connections:
        silent = [
            connections.enter_context(socket.create_connection(("127.0.0.1", lone_api.port), timeout=30))
            for _ in range(SILENT)
        ]
        begun = time.monotonic()
        assert await answers_health_check(lone_api.port)
        for connection in silent:
            with suppress(ConnectionResetError):
                assert connection.recv(1) == b""
        assert 15 < time.monotonic() - begun < 30
