"""The status stream (server-sent events)."""

from __future__ import annotations

import asyncio
import signal
import time

import httpx2

from api.status_snapshot import RECONNECT_MILLISECONDS
from tests.e2e.rest.conftest import SecondApi
from tests.support.api_service import running_api_beside
from tests.support.conditions import eventually
from tests.support.numbers import fresh_number
from tests.support.open_runs import create_open_run, create_paused_run, resume_run, slow_down
from tests.support.sse import Event, open_event_stream, read_all_events
from tests.support.stack import RunningStack
from tests.support.statements import statements

# tests/slow has a thousand. Here, both sides of each stream run in one operating-system process.
CLIENTS = 100


def kinds(events: list[Event]) -> list[str]:
    """Return the kinds of events."""
    return [event.kind for event in events]


async def test_a_stream_has_progress_events_and_one_ended_event(stack: RunningStack) -> None:
    number = await create_paused_run(stack)
    # The run is open for longer than the stream takes to look at it again.
    slow = await slow_down(stack, number, 120)
    async with open_event_stream(stack.api, number) as stream:
        assert stream.answer.status_code == 200
        assert stream.answer.headers["content-type"].startswith("text/event-stream")
        assert stream.answer.headers["cache-control"] == "no-cache"
        events = [await anext(stream)]
        await resume_run(stack, number)
        events.append(await anext(stream))
        await stack.end_fault(slow)
        events += [event async for event in stream]

    assert kinds(events) == ["progress"] * (len(events) - 1) + ["ended"]
    assert len(events) > 2
    available = [event.status["available_documents"] for event in events]
    assert available == sorted(available)
    assert {event.status["status"] for event in events[:-1]} == {"processing"}
    assert (events[-1].status["status"], available[-1]) == ("completed", 120)
    assert events[-1].status == await stack.get_status(number)
    assert len({event.id for event in events}) == len(events)
    assert {event.retry for event in events} == {RECONNECT_MILLISECONDS}


async def test_a_hundred_streams_of_a_run_share_one_reader(stack: RunningStack, second_api: SecondApi) -> None:
    number = await create_paused_run(stack)
    clients = [asyncio.create_task(read_all_events(second_api.client, number)) for _ in range(CLIENTS)]

    async def all_follow() -> bool:
        for client in clients:
            assert not client.done(), client.exception() or client.result()
        return second_api.subscriptions == {number: CLIENTS}

    await eventually(all_follow, "every client's stream", seconds=60)
    with statements() as executed:
        began = time.monotonic()
        await resume_run(stack, number)
        streams = await asyncio.gather(*clients)
        seconds = time.monotonic() - began

    assert {kinds(events).count("ended") for events in streams} == {1}
    assert {events[-1].kind for events in streams} == {"ended"}
    assert {events[-1].data for events in streams} == {streams[0][-1].data}
    # The run is read twice a second, however many clients follow it.
    reads = sum("FROM runs" in statement.sql for statement in executed)
    assert 1 <= reads <= 2 * seconds + 2

    async def none_follow() -> bool:
        return second_api.subscriptions == {}

    await eventually(none_follow, "the end of every stream")


async def test_a_stream_continues_after_the_last_event_at_another_api(
    stack: RunningStack, second_api: SecondApi
) -> None:
    number = await create_paused_run(stack)
    async with open_event_stream(stack.api, number) as stream:
        last = await anext(stream)
    assert (last.kind, last.status["phase"]) == ("progress", "paused")

    async with open_event_stream(second_api.client, number, last_event_id="not one of ours") as stream:
        assert (await anext(stream)).data == last.data
    async with open_event_stream(second_api.client, number, last_event_id=last.id) as stream:
        assert stream.answer.status_code == 200
        await resume_run(stack, number)
        events = [event async for event in stream]
    assert last.data not in {event.data for event in events}
    assert kinds(events).count("ended") == 1


async def test_the_stream_of_an_ended_run_has_one_event_and_then_no_content(
    stack: RunningStack, second_api: SecondApi
) -> None:
    number = await create_open_run(stack, 2, latency=0)
    status = await stack.wait_until_ended(number)

    (event,) = await read_all_events(stack.api, number)
    assert (event.kind, event.status) == ("ended", status)
    for api in (stack.api, second_api.client):
        async with open_event_stream(api, number, last_event_id=event.id) as stream:
            assert stream.answer.status_code == 204
            assert [event async for event in stream] == []
    (again,) = await read_all_events(second_api.client, number)
    assert again.data == event.data


async def test_terminating_a_run_in_temporal_ends_its_streams(stack: RunningStack) -> None:
    number = await create_paused_run(stack)
    async with open_event_stream(stack.api, number) as stream:
        assert (await anext(stream)).kind == "progress"
        await stack.temporal.get_workflow_handle(number).terminate()
        events = [event async for event in stream]
    assert kinds(events) == ["ended"]
    assert events[0].status["status"] == "pending"


async def test_an_unknown_process_has_neither_stream_nor_status(stack: RunningStack) -> None:
    number = fresh_number()
    for answer in (
        await stack.api.get(f"/processes/{number}/events"),
        await stack.api.get(f"/processes/{number}/status"),
        await stack.api.get(f"/processes/{number}/status", headers={"Prefer": "wait=20"}),
    ):
        assert (answer.status_code, answer.json()["code"]) == (404, "process_unknown")
        assert answer.headers["content-type"] == "application/problem+json"


async def test_a_client_that_disconnects_is_no_longer_counted(second_api: SecondApi, paused_number: str) -> None:
    number = paused_number
    path = f"/processes/{number}/status"

    async def none_follow() -> bool:
        return second_api.subscriptions == {}

    async def both_follow() -> bool:
        return second_api.subscriptions == {number: 2}

    async def follow_stream() -> None:
        await read_all_events(second_api.client, number)

    waiting = [
        asyncio.create_task(second_api.client.get(path, headers={"Prefer": "wait=30"})),
        asyncio.create_task(follow_stream()),
    ]
    await eventually(both_follow, "both requests")
    for each in waiting:
        each.cancel()
    await asyncio.wait(waiting)
    await eventually(none_follow, "the end of both", seconds=5)


async def test_an_api_that_stops_ends_its_streams_at_once(stack: RunningStack, paused_number: str) -> None:
    number = paused_number
    async with (
        running_api_beside(stack) as api,
        httpx2.AsyncClient(base_url=api.url, timeout=60, trust_env=False) as client,
        open_event_stream(client, number) as stream,
    ):
        assert (await anext(stream)).kind == "progress"
        waiting = asyncio.create_task(
            client.get(f"/processes/{number}/status", headers={"Prefer": "wait=30"}),
        )
        began = time.monotonic()
        api.process.send_signal(signal.SIGTERM)
        # The stream ends without an `ended` event, so that an EventSource connects again, to another API.
        assert [event async for event in stream] == []
        assert await asyncio.wait_for(api.process.wait(), 8) == 0
        assert time.monotonic() - began < 5
        await asyncio.wait((waiting,))
        if waiting.exception() is None:
            assert waiting.result().json()["status"] == "processing"
