"""Ends that no run can tell by itself: it was killed, or reset in Temporal. Subscribers learn of both."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import Any
from uuid import uuid4

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest

from adapters.schedules import SWEEP_DELIVERIES
from tests.support.conditions import eventually
from tests.support.numbers import fresh_number
from tests.support.receiver import Receiver
from tests.support.stack import RunningStack


async def reset(stack: RunningStack, number: str, *, after: str) -> str:
    """Reset a process's last execution to the moment after the first end of an activity; gives the new one's id."""
    handle = stack.temporal.get_workflow_handle(number)
    execution = await handle.describe()
    scheduled: set[int] = set()
    passed = False
    point = 0
    async for event in handle.fetch_history_events():
        if event.activity_task_scheduled_event_attributes.activity_type.name == after:
            scheduled.add(event.event_id)
        passed |= event.activity_task_completed_event_attributes.scheduled_event_id in scheduled
        if passed and event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED:
            point = event.event_id
            break
    answer = await stack.temporal.workflow_service.reset_workflow_execution(
        ResetWorkflowExecutionRequest(
            namespace=stack.temporal.namespace,
            workflow_execution=WorkflowExecution(workflow_id=number, run_id=execution.run_id),
            reason="an operator's hand",
            workflow_task_finish_event_id=point,
            request_id=str(uuid4()),
        )
    )
    return str(answer.run_id)


def types_at(receiver: Receiver, path: str) -> list[str]:
    """What a path was told."""
    return [one.event["type"] for one in receiver.at(path)]


async def test_a_run_that_is_reset_shows_and_tells_what_runs_now(stack: RunningStack, receiver: Receiver) -> None:
    number = fresh_number()
    path = f"/{number}"
    await stack.prepare(number, 80, size_bytes=2_000)
    await stack.latency(0.4)
    await stack.request(number, webhook_url=f"{receiver.url}{path}")
    await stack.reaches(number, 2)
    await stack.temporal.get_workflow_handle(number).cancel()
    cancelled = await stack.ended(number)
    assert cancelled["run"]["outcome"] == "cancelled"

    async def told_once() -> bool:
        return types_at(receiver, path) == ["process.cancelled"]

    await eventually(told_once, "the first end")

    # The first that it does now is to download: nothing says that it begins anew.
    execution = await reset(stack, number, after="download_document")

    async def shown() -> dict[str, Any] | None:
        status = await stack.status(number)
        return status if status["status"] == "processing" else None

    now = await eventually(shown, "the status tells of what runs now")
    assert (now["phase"], now["run"]["id"], now["run"]["outcome"]) == ("downloading", cancelled["run"]["id"], None)
    joined = await stack.request(number, webhook_url=f"{receiver.url}{path}/joined")
    assert joined.json()["decision"] == "active"
    await stack.latency(0)
    status = await stack.ended(number)
    assert (status["status"], status["run"]["outcome"], status["run"]["id"]) == (
        "completed",
        "completed",
        cancelled["run"]["id"],
    )
    assert (await stack.temporal.get_workflow_handle(number).describe()).run_id == execution

    async def told_again() -> bool:
        return len(receiver.at(path)) == 2 and len(receiver.at(f"{path}/joined")) == 1

    await eventually(told_again, "the second end")
    first, second = receiver.at(path)
    assert [(one.event["type"], one.event["data"]["outcome"]) for one in (first, second)] == [
        ("process.cancelled", "cancelled"),
        ("process.completed", "completed"),
    ]
    assert first.event_id != second.event_id
    # What is sent again of the first end is not sent: it is no end any more.
    await stack.api.post(f"/webhooks/deliveries/{first.event_id}/redeliver")

    async def given_up() -> dict[str, Any] | None:
        found: dict[str, Any] = (await stack.api.get(f"/webhooks/deliveries/{first.event_id}")).json()
        return found if found["status"] == "failed" else None

    assert "reset" in (await eventually(given_up, "the log of it"))["attempts"][-1]["error"]


async def test_a_run_that_was_killed_is_told_though_nobody_asks_again(
    stack: RunningStack, receiver: Receiver
) -> None:
    number, open_number = fresh_number(), fresh_number()
    await stack.latency(0.6)
    for each in (number, open_number):
        await stack.prepare(each, 150, size_bytes=2_000)
        await stack.request(each, webhook_url=f"{receiver.url}/{each}")
    await stack.reaches(number, 1)
    await stack.temporal.get_workflow_handle(number).terminate("an operator's hand")
    with closing(sqlite3.connect(stack.data_dir / "autos.db")) as catalog, catalog:
        # An hour ago, as far as the catalog knows.
        earlier = (
            "UPDATE runs SET started_at = datetime(started_at, '-1 hour') || '.000000' WHERE process_number = ?"
        )
        catalog.executemany(earlier, [(number,), (open_number,)])

    await stack.temporal.get_schedule_handle(SWEEP_DELIVERIES).trigger()

    async def told() -> bool:
        return types_at(receiver, f"/{number}") == ["process.cancelled"]

    await eventually(told, "the end of the run that was killed")
    assert (await stack.status(number))["run"]["outcome"] == "cancelled"
    assert (await stack.status(open_number))["status"] == "processing"
    await stack.latency(0)
    await stack.ended(open_number)
    assert types_at(receiver, f"/{open_number}") in ([], ["process.completed"])
