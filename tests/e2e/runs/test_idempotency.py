"""Idempotent requests: one run at a time, and a complete process is answered from the catalog."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable

import pytest

from tests.support.conditions import eventually
from tests.support.numbers import fresh_number
from tests.support.receiver import Receiver
from tests.support.stack import RunningStack


async def test_fifty_simultaneous_requests_start_one_run_and_each_subscriber_gets_an_event(
    stack: RunningStack, receiver: Receiver
) -> None:
    number = fresh_number()
    await stack.create_process(number, 40)
    # The run is listing the process, or downloads the first documents, when the last of the fifty arrives.
    await stack.set_latency(3)
    paths = [f"/{number}/subscriber-{index}" for index in range(50)]

    answers = await asyncio.gather(
        *(stack.request_download(number, webhook_url=f"{receiver.url}{path}") for path in paths)
    )

    await stack.set_latency(0)
    assert {answer.status_code for answer in answers} == {202}
    assert Counter(answer.json()["decision"] for answer in answers) == {"started": 1, "active": 49}
    assert {answer.json()["run"]["id"] for answer in answers} == set(await stack.list_run_ids(number))
    assert (await stack.wait_until_ended(number))["status"] == "completed"
    served = (await stack.get_court_stats())["documents_served"]
    assert len(served) == 40
    assert set(served.values()) == {1}
    assert len(await stack.list_run_ids(number)) == 1

    received = [event for path in paths for event in await receiver.wait_for_events(path)]
    assert {event.event["type"] for event in received} == {"process.completed"}
    assert len(received) == len({event.event_id for event in received}) == 50


async def test_requests_that_meet_the_end_of_a_run_join_it_or_are_answered(
    stack: RunningStack, receiver: Receiver
) -> None:
    number = fresh_number()
    await stack.create_process(number, 1)
    paths = [f"/{number}/overtaken-{index}" for index in range(60)]

    answers = await asyncio.gather(
        *(stack.request_download(number, webhook_url=f"{receiver.url}{path}") for path in paths)
    )

    # A request that arrives after the end of the run is answered at once, so its subscriber gets no event.
    decisions = {path: answer.json()["decision"] for path, answer in zip(paths, answers, strict=True)}
    assert Counter(decisions.values())["started"] == 1
    assert set(decisions.values()) <= {"started", "active", "complete"}
    assert len({answer.json()["run"]["id"] for answer in answers}) == 1
    assert len(await stack.list_run_ids(number)) == 1

    expected = {path: int(decision != "complete") for path, decision in decisions.items()}

    async def all_received() -> bool:
        return {path: len(receiver.events_at(path)) for path in paths} == expected

    await eventually(all_received, "one event for every subscriber of the run")


async def test_a_complete_process_is_answered_from_the_catalog_without_a_run(stack: RunningStack) -> None:
    number = await stack.create_ended_run(5)
    requests_before = (await stack.get_court_stats())["requests"]

    answer = await stack.request_download(number)

    assert answer.status_code == 200
    assert answer.json()["decision"] == "complete"
    assert answer.json()["status"] == "completed"
    assert len(await stack.list_run_ids(number)) == 1
    assert (await stack.get_court_stats())["requests"] == requests_before
    log = [line for line in stack.stderr.read_text().splitlines() if number in line and "complete 5/5" in line]
    assert answer.headers["x-request-id"] in log[-1]


@pytest.mark.parametrize(
    "write", [str, lambda number: "".join(filter(str.isdigit, number))], ids=["dashed", "digits"]
)
async def test_a_number_with_and_without_punctuation_names_the_same_process(
    stack: RunningStack, write: Callable[[str], str]
) -> None:
    number = await stack.create_ended_run(1)
    assert (await stack.request_download(f"%20{write(number)}%20")).json()["process_number"] == number
