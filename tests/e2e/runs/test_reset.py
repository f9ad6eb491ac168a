"""Runs that an operator resets in Temporal: status and subscribers follow the new execution."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest

from tests.support.conditions import eventually
from tests.support.numbers import fresh_number
from tests.support.open_runs import slow_down
from tests.support.receiver import Receiver
from tests.support.stack import RunningStack


async def reset(stack: RunningStack, number: str, *, after: str) -> str:
    """Reset the last execution to just after an activity's first completion. Returns the new run id."""
    handle = stack.temporal.get_workflow_handle(number)
    execution = await handle.describe()
    scheduled: set[int] = set()
    completed = False
    reset_event_id = 0
    async for event in handle.fetch_history_events():
        if event.activity_task_scheduled_event_attributes.activity_type.name == after:
            scheduled.add(event.event_id)
        completed |= event.activity_task_completed_event_attributes.scheduled_event_id in scheduled
        if completed and event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED:
            reset_event_id = event.event_id
            break
    answer = await stack.temporal.workflow_service.reset_workflow_execution(
        ResetWorkflowExecutionRequest(
            namespace=stack.temporal.namespace,
            workflow_execution=WorkflowExecution(workflow_id=number, run_id=execution.run_id),
            reason="an operator's hand",
            workflow_task_finish_event_id=reset_event_id,
            request_id=str(uuid4()),
        )
    )
    return str(answer.run_id)


async def test_a_reset_run_is_shown_as_open_and_sends_an_event_of_its_new_end(
    stack: RunningStack, receiver: Receiver
) -> None:
    number = fresh_number()
    path = f"/{number}"
    await stack.create_process(number, 120, size_bytes=2_000)
    slow = await slow_down(stack, number, 120)
    await stack.request_download(number, webhook_url=f"{receiver.url}{path}")
    await stack.wait_until_available(number, 2)
    await stack.temporal.get_workflow_handle(number).cancel()
    cancelled = await stack.wait_until_ended(number)
    assert cancelled["run"]["outcome"] == "cancelled"

    [first] = await receiver.wait_for_events(path)
    assert first.event["type"] == "process.cancelled"

    # The new execution begins with downloads, so no activity tells the catalog that a run begins.
    execution = await reset(stack, number, after="download_document")

    async def shows_open_run() -> dict[str, Any] | None:
        status = await stack.get_status(number)
        return status if status["status"] == "processing" else None

    reopened = await eventually(shows_open_run, "the status shows the new execution")
    assert (reopened["phase"], reopened["run"]["id"], reopened["run"]["outcome"]) == (
        "downloading",
        cancelled["run"]["id"],
        None,
    )
    joined = await stack.request_download(number, webhook_url=f"{receiver.url}{path}/joined")
    assert joined.json()["decision"] == "active"
    await stack.end_fault(slow)
    status = await stack.wait_until_ended(number)
    assert (status["status"], status["run"]["outcome"], status["run"]["id"]) == (
        "completed",
        "completed",
        cancelled["run"]["id"],
    )
    assert (await stack.temporal.get_workflow_handle(number).describe()).run_id == execution

    first, second = await receiver.wait_for_events(path, 2)
    [_] = await receiver.wait_for_events(f"{path}/joined")
    assert [(each.event["type"], each.event["data"]["outcome"]) for each in (first, second)] == [
        ("process.cancelled", "cancelled"),
        ("process.completed", "completed"),
    ]
    assert first.event_id != second.event_id
    # The first event cannot be redelivered: what it says is no longer true.
    await stack.api.post(f"/webhooks/deliveries/{first.event_id}/redeliver")

    async def redelivery_failed() -> dict[str, Any] | None:
        delivery: dict[str, Any] = (await stack.api.get(f"/webhooks/deliveries/{first.event_id}")).json()
        return delivery if delivery["status"] == "failed" else None

    delivery = await eventually(redelivery_failed, "the failed redelivery")
    assert "reset" in delivery["attempts"][-1]["error"]
