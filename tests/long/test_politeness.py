"""The court is asked at the deployment's pace, however many workers there are, and operators can change it."""

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
from tests.support.stack import ROOT, RunningStack, clean_environment, running_stack
from workflows.options import COURT_QUEUE

pytestmark = [pytest.mark.long, pytest.mark.timeout(400)]

RATE = 10


@asynccontextmanager
async def second_worker(stack: RunningStack) -> AsyncIterator[asyncio.subprocess.Process]:
    """Another worker of the same deployment."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(ROOT / "cli.py"),
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
async def polite_stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunningStack]:
    """A stack that asks slowly."""
    async with running_stack(tmp_path_factory.mktemp("polite"), AUTOS_COURT_REQUESTS_PER_SECOND=str(RATE)) as stack:
        yield stack


async def test_two_workers_together_keep_the_pace(polite_stack: RunningStack) -> None:
    stack = polite_stack
    numbers = [fresh_number() for _ in range(3)]
    async with second_worker(stack):
        for number in numbers:
            await stack.prepare(number, 40, size_bytes=2_000)
        await stack.forget_requests()

        for number in numbers:
            await stack.request(number)
        for number in numbers:
            assert (await stack.ended(number))["status"] == "completed"

    counted = await stack.court()
    assert counted["requests"] == 3 * 41
    assert counted["max_per_ten_seconds"] <= 10 * RATE
    assert counted["max_per_second"] <= 2 * RATE
    # It is a pace, not a standstill: what may be asked is asked.
    assert counted["arrivals"][-1][0] < 1.5 * counted["requests"] / RATE


async def test_second_opinions_of_two_workers_keep_the_pace_too(polite_stack: RunningStack) -> None:
    stack = polite_stack
    numbers = [fresh_number() for _ in range(40)]
    fault = await stack.fault("broken_details")
    async with second_worker(stack):
        await stack.forget_requests()
        for number in numbers:
            await stack.request(number)
        for number in numbers:
            assert (await stack.ended(number, seconds=120))["failure"]["code"] == "listing_unavailable"
    await stack.end_fault(fault)

    counted = await stack.court()
    kinds = Counter(kind for _, kind in counted["arrivals"])
    assert kinds["details"] == kinds["search"] == 3 * len(numbers)
    assert counted["max_per_ten_seconds"] <= 10 * RATE
    assert counted["max_per_second"] <= 2 * RATE
    assert counted["arrivals"][-1][0] < 1.5 * counted["requests"] / RATE


async def test_an_operator_changes_the_pace_of_runs_that_are_under_way(polite_stack: RunningStack) -> None:
    stack = polite_stack
    number = fresh_number()
    await stack.prepare(number, 150, size_bytes=2_000)
    await stack.request(number)
    await stack.reaches(number, 5)

    async with operators_pace(stack, 60):
        # At the old pace, it would take fifteen seconds.
        assert (await stack.ended(number, seconds=10))["status"] == "completed"


async def test_what_an_operator_sets_counts_second_opinions_too(polite_stack: RunningStack) -> None:
    stack = polite_stack
    numbers = [fresh_number() for _ in range(8)]
    fault = await stack.fault("broken_details")
    async with operators_pace(stack, 3):
        # The worker looks the rate up once in two seconds.
        await stack.request(numbers[0])
        await stack.ended(numbers[0])
        await stack.forget_requests()
        for number in numbers[1:]:
            await stack.request(number)
        for number in numbers[1:]:
            await stack.ended(number)
        counted = await stack.court()
    await stack.end_fault(fault)

    assert counted["requests"] == 6 * 7
    assert counted["max_per_ten_seconds"] <= 10 * 3
    assert counted["max_per_second"] <= 2 * 3


@asynccontextmanager
async def operators_pace(stack: RunningStack, requests_per_second: float) -> AsyncIterator[None]:
    """Another pace, for as long as the block lasts."""
    await set_pace(stack, str(requests_per_second), "the court asked for it")
    try:
        yield
    finally:
        await set_pace(stack, "default", "as it was")


async def set_pace(stack: RunningStack, requests_per_second: str, reason: str) -> None:
    """Do as an operator does."""
    process = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).parent / "temporal"),
        *("task-queue", "config", "set", "--task-queue", COURT_QUEUE, "--task-queue-type", "activity"),
        *("--queue-rps-limit", requests_per_second, "--queue-rps-limit-reason", reason),
        *("--address", stack.addresses["temporal"]),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        env=clean_environment(),
    )
    _, said = await process.communicate()
    assert process.returncode == 0, said.decode()
