"""Outages of the court at their full length."""

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


async def test_a_minute_of_firewall_delays_twenty_runs_and_costs_few_requests(stack: RunningStack) -> None:
    numbers = [fresh_number() for _ in range(20)]
    for number in numbers:
        await stack.create_process(number, 40, size_bytes=2_000)
    await stack.set_latency(0.3)
    await asyncio.gather(*(stack.request_download(number) for number in numbers))
    await stack.wait_until_available(numbers[0], 1)

    fault = await stack.inject_fault("firewall")
    until = asyncio.get_running_loop().time() + 60
    await stack.wait_until_waiting_for_court(numbers[-1])
    await stack.reset_court_stats()

    async def minute_is_over() -> bool:
        return asyncio.get_running_loop().time() > until

    await eventually(minute_is_over, "a minute", seconds=70)
    requests = (await stack.get_court_stats())["requests"]
    await stack.end_fault(fault)
    ended = await asyncio.gather(*(stack.wait_until_ended(number, seconds=120) for number in numbers))

    assert requests <= 10
    assert {(status["status"], status["available_documents"]) for status in ended} == {("completed", 40)}


async def test_a_token_of_twenty_seconds_is_renewed_during_a_long_run(stack: RunningStack) -> None:
    number = fresh_number()
    await stack.create_process(number, 200, size_bytes=2_000)
    await stack.set_latency(3)
    await stack.reset_court_stats()
    issued = await stack.create_court_token(expires_in=20)
    await stack.put_credentials(token=issued["token"], refresh_token=issued["refresh_token"])

    await stack.request_download(number)

    status = await stack.wait_until_ended(number, seconds=120)
    stats = await stack.get_court_stats()
    assert (status["status"], status["available_documents"], status["failed_documents"]) == ("completed", 200, 0)
    assert stats["refreshes"] >= 2
    assert stats["tokens_refused"] == 0


async def test_a_process_that_the_court_cannot_serve_delays_no_other(stack: RunningStack) -> None:
    broken, other = fresh_number(), fresh_number()
    for number in (broken, other):
        await stack.create_process(number, 20, size_bytes=2_000)
    await stack.set_latency(0)
    await stack.inject_fault("unavailable", broken)
    await stack.request_download(broken)
    await stack.wait_until_waiting_for_court(broken)
    await stack.request_download(other)

    assert (await stack.wait_until_ended(other, seconds=150))["status"] == "completed"
    status = await stack.wait_until_ended(broken, seconds=60)
    assert (status["status"], status["run"]["failure_code"]) == ("failed", "listing_unavailable")
    assert (await stack.get_court_status())["status"] == "answering"
