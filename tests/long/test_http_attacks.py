"""Two hundred megabytes at whatever a request is read from, and three hundred connections that say nothing."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest

from tests.support.attacks import ATTACKS, attacked, is_alive
from tests.support.lone_api import LoneApi, lone_api

SENT_BYTES = 200_000_000
GROWN_BYTES = 100_000_000
SLOWEST_SECONDS = 0.2
SILENT = 300

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


async def test_many_at_once_get_no_further(api: LoneApi) -> None:
    damages = await asyncio.gather(*(attacked(api, ATTACKS[name], SENT_BYTES) for name in ATTACKS))

    assert max(damage.grown_bytes for damage in damages) < GROWN_BYTES


async def test_connections_that_say_nothing_are_ended_within_thirty_seconds(api: LoneApi) -> None:
    crowd = [await asyncio.open_connection("127.0.0.1", api.port) for _ in range(SILENT)]
    begun = time.monotonic()
    assert await is_alive(api.port)
    async with asyncio.timeout(60):
        for reader, _ in crowd:
            with suppress(ConnectionError):
                assert await reader.read() == b""
    assert 15 < time.monotonic() - begun < 30
    for _, writer in crowd:
        writer.close()
