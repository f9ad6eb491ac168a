"""Hostile listings in the whole stack: the services' memory stays small, and health checks are answered quickly."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
import psutil
import pytest

from tests.support.hostile_listings import HOSTILE_LISTINGS
from tests.support.numbers import fresh_number
from tests.support.scripted_server import answer, by_path, scripted
from tests.support.stack import RunningStack, running_stack

GROWN_BYTES = 100_000_000
SLOWEST_SECONDS = 0.2
PROCESSES = "/api/v2/processos"

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]


@dataclass
class Load:
    """The largest growth of memory of API and worker, and the slowest health check."""

    api_bytes: int = 0
    worker_bytes: int = 0
    slowest_seconds: float = 0.0


@contextmanager
def measuring_memory(stack: RunningStack, load: Load) -> Iterator[None]:
    """Measure the memory of API and worker every five milliseconds, from a thread."""
    api, worker = (psutil.Process(stack.addresses["pids"][name]) for name in ("api", "worker"))
    api_before, worker_before = api.memory_info().rss, worker.memory_info().rss
    over = threading.Event()

    def measure() -> None:
        while not over.wait(0.005):
            load.api_bytes = max(load.api_bytes, api.memory_info().rss - api_before)
            load.worker_bytes = max(load.worker_bytes, worker.memory_info().rss - worker_before)

    thread = threading.Thread(target=measure)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@asynccontextmanager
async def checking_health(stack: RunningStack, load: Load) -> AsyncIterator[None]:
    """Request ``/health/live`` over and over on one connection, and record the slowest answer."""

    async def check() -> None:
        async with httpx2.AsyncClient(base_url=stack.addresses["api"], timeout=60) as client:
            while True:
                begun = time.monotonic()
                (await client.get("/health/live")).raise_for_status()
                load.slowest_seconds = max(load.slowest_seconds, time.monotonic() - begun)
                await asyncio.sleep(0.02)

    checking = asyncio.create_task(check())
    try:
        yield
    finally:
        assert not checking.done(), "a health check failed"
        checking.cancel()


async def run_to_failure(stack: RunningStack, numbers: list[str]) -> list[str]:
    """Download processes at the same time, and return the failure codes of their runs."""
    await asyncio.gather(*(stack.request_download(number) for number in numbers))
    return [(await stack.wait_until_ended(number, seconds=300))["failure"]["code"] for number in numbers]


async def test_hostile_listings_cost_little_memory_and_delay_no_health_check(tmp_path: Path) -> None:
    numbers = {name: fresh_number() for name in HOSTILE_LISTINGS}
    harmless = [fresh_number() for _ in numbers]
    replies = {
        f"{PROCESSES}?": answer(200, b'{"content": [{}]}'),
        **{f"{PROCESSES}/{number}": answer(200, b'{"content": 1}') for number in harmless},
    }
    hostile = {
        f"{PROCESSES}/{numbers[name]}": answer(200, body, content_encoding="gzip")
        for name, body in HOSTILE_LISTINGS.items()
    }
    async with (
        scripted(by_path(replies | hostile)) as court,
        running_stack(
            tmp_path,
            AUTOS_COURT_BASE_URL=court.origin,
            AUTOS_COURT_TOKEN="a-token",
            AUTOS_COURT_REQUESTS_PER_SECOND="100",
        ) as stack,
    ):
        # First the same number of harmless failures, so that code, connections and caches are not measured.
        assert await run_to_failure(stack, harmless) == ["invalid_listing"] * len(harmless)
        load = Load()
        with measuring_memory(stack, load):
            async with checking_health(stack, load):
                codes = await run_to_failure(stack, [*numbers.values()])

    assert codes == ["invalid_listing"] * len(numbers)
    assert load.api_bytes < GROWN_BYTES, load
    assert load.worker_bytes < GROWN_BYTES, load
    assert load.slowest_seconds < SLOWEST_SECONDS, load
