"""Outages of the court: runs wait, no document is blamed, and almost no request is sent until the court answers."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import Any

import pytest

from tests.support.conditions import eventually
from tests.support.numbers import fresh_number
from tests.support.run_reports import count_failed_attempts
from tests.support.stack import RunningStack


@pytest.mark.long
async def test_during_a_firewall_block_runs_wait_and_almost_no_request_is_sent(stack: RunningStack) -> None:
    numbers = [fresh_number() for _ in range(20)]
    for number in numbers:
        await stack.create_process(number, 12, size_bytes=2_000)
    # Slow enough that no run ends before the firewall begins.
    await stack.set_latency(3)
    await asyncio.gather(*(stack.request_download(number) for number in numbers))

    async def listings_began() -> bool:
        return bool((await stack.get_court_stats())["listings"] >= 10)

    await eventually(listings_began, "the first listings")

    fault = await stack.inject_fault("firewall")
    await stack.set_latency(0)

    for number in numbers:
        await stack.wait_until_waiting_for_court(number)
    await stack.reset_court_stats()
    court = await stack.get_court_status()
    assert (court["status"], court["failure"]["code"]) == ("unavailable", "court_blocked")

    async def probed() -> bool:
        return bool((await stack.get_court_status())["probes"] >= 1)

    await eventually(probed, "a probe")
    assert (await stack.get_court_stats())["requests"] <= 2
    await stack.end_fault(fault)
    await stack.recover_court()
    ended = await asyncio.gather(*(stack.wait_until_ended(number) for number in numbers))
    assert {(status["status"], status["available_documents"]) for status in ended} == {("completed", 12)}
    assert sum(count_failed_attempts(stack, number) for number in numbers) == 0
    assert (await stack.get_court_stats())["max_concurrent"] <= 17


async def test_retry_after_of_the_court_is_respected(stack: RunningStack) -> None:
    number = fresh_number()
    await stack.create_process(number, 3)
    await stack.inject_fault("throttled", number, times=1, retry_after=2)

    await stack.request_download(number)

    assert (await stack.wait_until_ended(number))["status"] == "completed"
    arrivals = [at for at, _ in (await stack.get_court_stats())["arrivals"]]
    pause = max(later - earlier for earlier, later in pairwise(arrivals))
    assert 2.0 <= pause < 4.0


async def test_a_run_that_cannot_list_its_process_waits_for_the_court(stack: RunningStack) -> None:
    number = fresh_number()
    await stack.create_process(number, 3)
    fault = await stack.inject_fault("unavailable", number)
    await stack.request_download(number)
    await stack.wait_until_waiting_for_court(number)

    await stack.end_fault(fault)
    await stack.recover_court()

    assert (await stack.wait_until_ended(number))["status"] == "completed"


async def test_a_run_that_waits_for_the_court_can_be_cancelled(stack: RunningStack) -> None:
    number = fresh_number()
    await stack.create_process(number, 3)
    await stack.inject_fault("gateway_timeout", number)
    await stack.request_download(number)
    await stack.wait_until_waiting_for_court(number)

    await stack.temporal.get_workflow_handle(number).cancel()

    assert (await stack.wait_until_ended(number))["run"]["outcome"] == "cancelled"


async def test_a_document_that_fails_does_not_open_the_courts_circuit(stack: RunningStack) -> None:
    number, other = fresh_number(), fresh_number()
    await stack.create_process(number, 4)
    await stack.create_process(other, 4)
    await stack.inject_fault("unavailable", number, documents=[1], times=2)
    phases = set()

    await stack.request_download(number)
    await stack.request_download(other)

    async def ended() -> dict[str, Any] | None:
        status = await stack.get_status(number)
        phases.add(status["phase"])
        return status if status["status"] != "processing" else None

    assert (await eventually(ended, "the end"))["status"] == "completed"
    assert "waiting_for_court" not in phases
    assert (await stack.wait_until_ended(other))["status"] == "completed"


async def test_a_waiting_run_restarts_a_terminated_court_monitor(stack: RunningStack) -> None:
    await stack.temporal.get_workflow_handle("court").terminate()
    number = fresh_number()
    await stack.create_process(number, 3)
    await stack.inject_fault("throttled", number, times=1, retry_after=1)

    await stack.request_download(number)

    assert (await stack.wait_until_ended(number))["status"] == "completed"


async def test_a_process_without_access_costs_one_request(stack: RunningStack) -> None:
    number = fresh_number()
    await stack.create_process(number, 9)
    await stack.inject_fault("no_access", number)

    await stack.request_download(number)

    status = await stack.wait_until_ended(number)
    assert (status["status"], status["run"]["outcome"]) == ("failed", "failed")
    assert (status["failure"]["code"], status["run"]["failure_code"]) == ("no_access", "no_access")
    assert (await stack.get_court_stats())["requests"] == 1
