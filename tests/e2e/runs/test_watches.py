"""Watched processes: what is new is told once, and the court is asked once for each look."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from adapters.database import Database
from tests.support.batches import create_processes
from tests.support.conditions import eventually
from tests.support.numbers import fresh_number
from tests.support.receiver import Receiver
from tests.support.stack import RunningStack
from tests.support.watching import list_watches, make_due, read_events, sweep, wait_until_checked, watch_all

ADDED = "process.documents_added"


def about(events: list[dict[str, Any]], numbers: list[str]) -> list[dict[str, Any]]:
    """Return the events about these processes."""
    return [event for event in events if event["data"]["process_number"] in numbers]


async def test_what_is_new_in_some_of_many_processes_is_told_once(
    stack: RunningStack, database: Database, receiver: Receiver
) -> None:
    numbers = await create_processes(stack, 50, documents=1)
    path = f"/{numbers[0]}"
    began = datetime.now(UTC)
    await watch_all(stack, numbers, webhook_url=f"{receiver.url}{path}")
    await wait_until_checked(stack, numbers, began, seconds=120)
    _, after = await read_events(stack)
    assert receiver.events_at(path) == []

    changed = numbers[::10]
    for number in changed:
        await stack.create_process(number, 3, size_bytes=2_000)
    await stack.reset_court_stats()
    due = await make_due(database, numbers)
    await sweep(stack)
    # Somebody else asks for a process meanwhile.
    single = await stack.create_ended_run(1)
    assert (await stack.get_status(single))["status"] == "completed"
    watched = await wait_until_checked(stack, numbers, due, seconds=120)
    assert {one["state"] for one in watched.values()} == {"active"}
    assert all(datetime.fromisoformat(one["next_look_at"]) > due for one in watched.values())

    told, _ = await read_events(stack, after)
    # The looks themselves are no news to anybody.
    assert sorted(event["data"]["process_number"] for event in about(told, numbers)) == sorted(changed)
    for event in about(told, numbers):
        data = event["data"]
        counts = (data["added_documents"], data["available_documents"], len(data["document_ids"]))
        assert (event["type"], counts) == (ADDED, (2, 2, 2))
    received = await receiver.wait_for_events(path, len(changed))
    assert len(received) == len(changed)
    bodies = {
        event["id"]: {name: event[name] for name in ("type", "version", "timestamp", "data")} for event in told
    }
    assert all(bodies[one.event_id] == one.event for one in received)
    stats = await stack.get_court_stats()
    # One for each look, and one for the other request.
    assert stats["listings"] == len(numbers) + 1
    assert sorted(stats["documents_served"].values()) == [1] * (2 * len(changed) + 1)


async def test_a_look_without_downloads_lists_alone_until_somebody_asks_for_more(
    stack: RunningStack, database: Database
) -> None:
    number = fresh_number()
    await stack.create_process(number, 2, size_bytes=2_000)
    began = datetime.now(UTC)
    answer = await stack.api.put(f"/processes/{number}/watch", json={"download": False, "notify": "always"})
    assert answer.status_code == 200
    await wait_until_checked(stack, [number], began)
    status = await stack.wait_until_ended(number)
    assert (status["pending_documents"], status["available_documents"]) == (2, 0)
    assert status["run"]["chosen_documents"] == 0
    assert (await stack.get_court_stats())["documents_served"] == {}

    # A request joins the look, and widens it.
    await stack.create_process(number, 3, size_bytes=2_000)
    await stack.set_latency(5)
    _, after = await read_events(stack)
    due = await make_due(database, [number])
    await eventually(lambda: is_open_after_sweep(stack, number), "the look")
    decided = await stack.request_download(number, max_age=0)
    assert decided.json()["decision"] == "active"
    await stack.set_latency(0)
    assert (await stack.wait_until_ended(number))["available_documents"] == 3
    await wait_until_checked(stack, [number], due)
    told = about((await read_events(stack, after))[0], [number])
    assert [event["type"] for event in told] == ["process.completed", ADDED, "watch.checked"]


async def is_open_after_sweep(stack: RunningStack, number: str) -> bool:
    """Return whether a process has an open run. If not, have the due processes looked at."""
    if (await stack.get_status(number)).get("status") == "processing":
        return True
    # It is skipped while another one is under way, which may have looked too early.
    await sweep(stack)
    return False


async def test_a_receiver_that_was_away_catches_up_with_the_events(
    stack: RunningStack, database: Database, receiver: Receiver
) -> None:
    number = fresh_number()
    path = f"/{number}/away"
    await stack.create_process(number, 1, size_bytes=2_000)
    receiver.planned_failures[path] = [500] * 20
    began = datetime.now(UTC)
    await watch_all(stack, [number], webhook_url=f"{receiver.url}{path}", notify="always")
    await wait_until_checked(stack, [number], began)
    await stack.create_process(number, 2, size_bytes=2_000)
    await wait_until_checked(stack, [number], await make_due(database, [number]))
    told = about((await read_events(stack))[0], [number])
    assert [event["type"] for event in told] == ["watch.checked", ADDED, "watch.checked"]
    assert receiver.events_at(path) == []
    # The same ids as in the webhooks that could not be delivered.
    await eventually(lambda: is_rejected(receiver, path, 3), "three refused webhooks")
    refused = {one.event_id for one in receiver.rejected if one.path == path}
    assert refused == {event["id"] for event in told}


async def is_rejected(receiver: Receiver, path: str, count: int) -> bool:
    """Return whether so many events were refused at a path."""
    return len({one.event_id for one in receiver.rejected if one.path == path}) >= count


async def test_a_process_that_is_no_longer_shown_says_so_and_is_looked_at_again(
    stack: RunningStack, database: Database
) -> None:
    number = fresh_number()
    await stack.create_process(number, 1, size_bytes=2_000)
    began = datetime.now(UTC)
    await watch_all(stack, [number])
    await wait_until_checked(stack, [number], began)
    fault = await stack.inject_fault("no_access", number)
    refused = await wait_until_checked(stack, [number], await make_due(database, [number]))
    assert (refused[number]["state"], refused[number]["failure_code"]) == ("no_access", "no_access")
    assert number in await list_watches(stack, [number], state="no_access")
    await stack.end_fault(fault)
    shown = await wait_until_checked(stack, [number], await make_due(database, [number]))
    assert (shown[number]["state"], shown[number]["failure_code"]) == ("active", None)


async def test_no_looks_are_started_while_the_court_does_not_answer(
    stack: RunningStack, database: Database
) -> None:
    number, other = fresh_number(), fresh_number()
    for one in (number, other):
        await stack.create_process(one, 1, size_bytes=2_000)
    began = datetime.now(UTC)
    await watch_all(stack, [number])
    await wait_until_checked(stack, [number], began)
    await stack.inject_fault("unavailable")
    await stack.request_download(other)
    await stack.wait_until_waiting_for_court(other)
    due = await make_due(database, [number])
    runs = await stack.list_run_ids(number)
    await eventually(lambda: has_swept_since(stack, due), "the end of a sweep")
    assert await stack.list_run_ids(number) == runs
    await stack.end_all_faults()
    await stack.recover_court()
    await wait_until_checked(stack, [number], due)
    await stack.wait_until_ended(other)


async def has_swept_since(stack: RunningStack, moment: datetime) -> bool:
    """Return whether a sweep has begun since a time, and ended. If not, begin one."""
    query = "WorkflowType = 'SweepWatches' AND ExecutionStatus = 'Completed'"
    if any([True async for one in stack.temporal.list_workflows(query) if one.start_time > moment]):
        return True
    await sweep(stack)
    return False
