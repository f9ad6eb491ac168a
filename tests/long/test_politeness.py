"""The court is asked at the deployment's pace, however many workers there are, and operators can change it."""

from __future__ import annotations

import asyncio
import os
import sys
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


async def test_an_operator_changes_the_pace_of_runs_that_are_under_way(polite_stack: RunningStack) -> None:
    stack = polite_stack
    number = fresh_number()
    await stack.prepare(number, 150, size_bytes=2_000)
    await stack.request(number)
    await stack.reaches(number, 5)

    await set_pace(stack, "--queue-rps-limit", "60", "--queue-rps-limit-reason", "the court allows more today")

    # At the old pace, it would take fifteen seconds.
    assert (await stack.ended(number, seconds=10))["status"] == "completed"


async def set_pace(stack: RunningStack, *options: str) -> None:
    """Do as an operator does."""
    process = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).parent / "temporal"),
        *("task-queue", "config", "set", "--task-queue", COURT_QUEUE, "--task-queue-type", "activity"),
        *("--address", stack.addresses["temporal"], *options),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        env=clean_environment(),
    )
    _, said = await process.communicate()
    assert process.returncode == 0, said.decode()
