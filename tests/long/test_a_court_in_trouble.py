"""The court's bad days at their full length."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.support.conditions import eventually
from tests.support.numbers import fresh_number
from tests.support.stack import RunningStack, running_stack

pytestmark = [pytest.mark.long, pytest.mark.timeout(400)]


@pytest.fixture(scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunningStack]:
    """A stack for the whole module."""
    async with running_stack(tmp_path_factory.mktemp("stack")) as stack:
        yield stack


async def test_a_minute_of_firewall_during_twenty_runs(stack: RunningStack) -> None:
    numbers = [fresh_number() for _ in range(20)]
    for number in numbers:
        await stack.prepare(number, 40, size_bytes=2_000)
    await stack.latency(0.3)
    await asyncio.gather(*(stack.request(number) for number in numbers))
    await stack.reaches(numbers[0], 1)

    fault = await stack.fault("firewall")
    until = asyncio.get_running_loop().time() + 60
    await stack.waits(numbers[-1])
    await stack.forget_requests()

    async def over() -> bool:
        return asyncio.get_running_loop().time() > until

    await eventually(over, "a minute", seconds=70)
    seen = (await stack.court())["requests"]
    await stack.end_fault(fault)
    ended = await asyncio.gather(*(stack.ended(number, seconds=120) for number in numbers))

    assert seen <= 10
    assert {(status["status"], status["available_documents"]) for status in ended} == {("completed", 40)}


async def test_a_token_of_twenty_seconds_is_renewed_through_two_hundred_documents(stack: RunningStack) -> None:
    number = fresh_number()
    await stack.prepare(number, 200, size_bytes=2_000)
    await stack.latency(3)
    await stack.forget_requests()
    granted = (await stack.simulator.post("/_simulator/token", json={"expires_in": 20})).json()
    credentials = {"token": granted["token"], "refresh_token": granted["refresh_token"]}
    (await stack.api.put("/court/credentials", json=credentials)).raise_for_status()

    await stack.request(number)

    status = await stack.ended(number, seconds=120)
    counted = await stack.court()
    assert (status["status"], status["available_documents"], status["failed_documents"]) == ("completed", 200, 0)
    assert counted["refreshes"] >= 2
    assert counted["tokens_refused"] == 0


async def test_one_process_that_is_broken_at_the_court_holds_up_itself_alone(stack: RunningStack) -> None:
    broken, sound = fresh_number(), fresh_number()
    for number in (broken, sound):
        await stack.prepare(number, 20, size_bytes=2_000)
    await stack.latency(0)
    await stack.fault("unavailable", broken)
    await stack.request(broken)
    await stack.waits(broken)
    await stack.request(sound)

    assert (await stack.ended(sound, seconds=150))["status"] == "completed"
    status = await stack.ended(broken, seconds=60)
    assert (status["status"], status["run"]["failure_code"]) == ("failed", "listing_unavailable")
    assert (await stack.court_status())["status"] == "answering"
