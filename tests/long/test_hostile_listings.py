"""Listings that are made to exhaust the worker: memory stays, and health is told at once, in the whole stack."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
import pytest

from tests.support.bombs import HOSTILE_LISTINGS
from tests.support.numbers import fresh_number
from tests.support.scripted_server import answer, by_path, scripted
from tests.support.stack import RunningStack, running_stack

GROWN_BYTES = 100_000_000
SLOWEST_SECONDS = 0.2
PROCESSES = "/api/v2/processos"

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]


@dataclass
class Load:
    """What the stack's API and worker have gone through: their memory above where they were, the slowest health."""

    api_bytes: int = 0
    worker_bytes: int = 0
    slowest_seconds: float = 0.0


@contextmanager
def weighing(stack: RunningStack, load: Load) -> Iterator[None]:
    """Watch the memory of API and worker from a thread of its own, every five milliseconds."""
    api, worker = (psutil.Process(stack.addresses["pids"][name]) for name in ("api", "worker"))
    api_before, worker_before = api.memory_info().rss, worker.memory_info().rss
    over = threading.Event()

    def weigh() -> None:
        while not over.wait(0.005):
            load.api_bytes = max(load.api_bytes, api.memory_info().rss - api_before)
            load.worker_bytes = max(load.worker_bytes, worker.memory_info().rss - worker_before)

    thread = threading.Thread(target=weigh)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@asynccontextmanager
async def asking_for_health(stack: RunningStack, load: Load) -> AsyncIterator[None]:
    """Ask ``/health/live`` all the time, over a connection of its own, and keep the slowest answer."""

    async def ask() -> None:
        async with httpx.AsyncClient(base_url=stack.addresses["api"]) as client:
            while True:
                begun = time.monotonic()
                (await client.get("/health/live")).raise_for_status()
                load.slowest_seconds = max(load.slowest_seconds, time.monotonic() - begun)
                await asyncio.sleep(0.02)

    asking = asyncio.create_task(ask())
    try:
        yield
    finally:
        assert not asking.done(), "health was refused"
        asking.cancel()


async def failures(stack: RunningStack, numbers: list[str]) -> list[str]:
    """Have processes downloaded at once, and return the codes with which their runs fail."""
    await asyncio.gather(*(stack.request(number) for number in numbers))
    return [(await stack.ended(number, seconds=300))["failure"]["code"] for number in numbers]


async def test_memory_stays_and_health_is_told_at_once(tmp_path: Path) -> None:
    numbers = {name: fresh_number() for name in HOSTILE_LISTINGS}
    harmless = [fresh_number() for _ in numbers]
    gate = {
        f"{PROCESSES}?": answer(200, b'{"content": [{}]}'),
        **{f"{PROCESSES}/{number}": answer(200, b'{"content": 1}') for number in harmless},
    }
    hostile = {
        f"{PROCESSES}/{numbers[name]}": answer(200, packed, content_encoding="gzip")
        for name, packed in HOSTILE_LISTINGS.items()
    }
    async with (
        scripted(by_path(gate | hostile)) as court,
        running_stack(
            tmp_path,
            AUTOS_COURT_BASE_URL=court.origin,
            AUTOS_COURT_TOKEN="a-token",
            AUTOS_COURT_REQUESTS_PER_SECOND="100",
        ) as stack,
    ):
        # What so many runs take that fail in the same way (code, connections, caches) is not the attack's.
        assert await failures(stack, harmless) == ["invalid_listing"] * len(harmless)
        load = Load()
        with weighing(stack, load):
            async with asking_for_health(stack, load):
                codes = await failures(stack, [*numbers.values()])

    assert codes == ["invalid_listing"] * len(numbers)
    assert load.api_bytes < GROWN_BYTES, load
    assert load.worker_bytes < GROWN_BYTES, load
    assert load.slowest_seconds < SLOWEST_SECONDS, load
