"""The deployment's rate limit for the court holds over all workers, and operators can change it."""

from __future__ import annotations

import asyncio
import os
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.support.numbers import fresh_number
from tests.support.paths import CLI
from tests.support.stack import RunningStack, clean_environment, running_stack
from workflows.options import COURT_QUEUE

pytestmark = [pytest.mark.long, pytest.mark.timeout(400)]

RATE = 10


@asynccontextmanager
async def second_worker(stack: RunningStack) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run another worker of the same deployment for as long as the block lasts."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(CLI),
        "worker",
        cwd=stack.data_dir.parent,
        env=clean_environment(
            AUTOS_DATA_DIR=str(stack.data_dir),
            AUTOS_COURT_REQUESTS_PER_SECOND=str(RATE),
            TEMPORAL_ADDRESS=stack.addresses["temporal"],
            TEMPORAL_CONFIG_FILE=os.devnull,
        ),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stderr is not None
        async with asyncio.timeout(30):
            while b"worker ready" not in await process.stderr.readline():
                assert process.returncode is None
        yield process
    finally:
        process.terminate()
        await asyncio.wait_for(process.communicate(), 30)


@pytest.fixture(scope="module")
async def slow_stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunningStack]:
    """A stack with a low rate limit."""
    async with running_stack(tmp_path_factory.mktemp("slow"), AUTOS_COURT_REQUESTS_PER_SECOND=str(RATE)) as stack:
        yield stack


async def test_two_workers_together_keep_the_rate_limit(slow_stack: RunningStack) -> None:
    stack = slow_stack
    numbers = [fresh_number() for _ in range(3)]
    async with second_worker(stack):
        for number in numbers:
            await stack.create_process(number, 40, size_bytes=2_000)
        await stack.reset_court_stats()

        for number in numbers:
            await stack.request_download(number)
        for number in numbers:
            assert (await stack.wait_until_ended(number))["status"] == "completed"

    stats = await stack.get_court_stats()
    assert stats["requests"] == 3 * 41
    assert stats["max_per_ten_seconds"] <= 10 * RATE
    assert stats["max_per_second"] <= 2 * RATE
    # The limit is also used: requests are not slower than it allows.
    assert stats["arrivals"][-1][0] < 1.5 * stats["requests"] / RATE


async def test_health_checks_of_two_workers_keep_the_rate_limit(slow_stack: RunningStack) -> None:
    stack = slow_stack
    numbers = [fresh_number() for _ in range(40)]
    fault = await stack.inject_fault("broken_details")
    async with second_worker(stack):
        await stack.reset_court_stats()
        for number in numbers:
            await stack.request_download(number)
        for number in numbers:
            assert (await stack.wait_until_ended(number, seconds=120))["failure"]["code"] == "listing_unavailable"
    await stack.end_fault(fault)

    stats = await stack.get_court_stats()
    kinds = Counter(kind for _, kind in stats["arrivals"])
    assert kinds["details"] == kinds["search"] == 3 * len(numbers)
    assert stats["max_per_ten_seconds"] <= 10 * RATE
    assert stats["max_per_second"] <= 2 * RATE
    assert stats["arrivals"][-1][0] < 1.5 * stats["requests"] / RATE


async def test_a_changed_rate_limit_applies_to_open_runs(slow_stack: RunningStack) -> None:
    stack = slow_stack
    number = fresh_number()
    await stack.create_process(number, 150, size_bytes=2_000)
    await stack.request_download(number)
    await stack.wait_until_available(number, 5)

    async with changed_rate(stack, 60):
        # At the old rate, it would take 15 seconds.
        assert (await stack.wait_until_ended(number, seconds=10))["status"] == "completed"


async def test_a_changed_rate_limit_applies_to_health_checks(slow_stack: RunningStack) -> None:
    stack = slow_stack
    numbers = [fresh_number() for _ in range(8)]
    fault = await stack.inject_fault("broken_details")
    async with changed_rate(stack, 3):
        # The worker reads the rate every two seconds.
        await stack.request_download(numbers[0])
        await stack.wait_until_ended(numbers[0])
        await stack.reset_court_stats()
        for number in numbers[1:]:
            await stack.request_download(number)
        for number in numbers[1:]:
            await stack.wait_until_ended(number)
        stats = await stack.get_court_stats()
    await stack.end_fault(fault)

    assert stats["requests"] == 6 * 7
    assert stats["max_per_ten_seconds"] <= 10 * 3
    assert stats["max_per_second"] <= 2 * 3


@asynccontextmanager
async def changed_rate(stack: RunningStack, requests_per_second: float) -> AsyncIterator[None]:
    """Set another rate limit for as long as the block lasts."""
    await set_rate(stack, str(requests_per_second), "the court asked for it")
    try:
        yield
    finally:
        await set_rate(stack, "default", "as it was")


async def set_rate(stack: RunningStack, requests_per_second: str, reason: str) -> None:
    """Set the rate limit with the `temporal` command, as an operator does."""
    process = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).parent / "temporal"),
        *("task-queue", "config", "set", "--task-queue", COURT_QUEUE, "--task-queue-type", "activity"),
        *("--queue-rps-limit", requests_per_second, "--queue-rps-limit-reason", reason),
        *("--address", stack.addresses["temporal"]),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        env=clean_environment(),
    )
    _, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
