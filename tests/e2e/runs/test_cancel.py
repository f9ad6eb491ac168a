"""Cancellation in Temporal."""

from __future__ import annotations

from temporalio.client import WorkflowExecutionStatus

from tests.support.numbers import fresh_number
from tests.support.open_runs import slow_down
from tests.support.receiver import Receiver
from tests.support.stack import RunningStack


async def test_a_cancelled_run_sends_its_event_and_the_next_request_starts_a_new_run(
    stack: RunningStack, receiver: Receiver
) -> None:
    number = fresh_number()
    await stack.create_process(number, 120)
    slow = await slow_down(stack, number, 120)
    started = await stack.request_download(number, webhook_url=f"{receiver.url}/{number}")
    await stack.wait_until_available(number, 5)
    first = stack.temporal.get_workflow_handle(number, run_id=started.json()["run"]["id"])

    await first.cancel()
    await stack.end_fault(slow)

    status = await stack.wait_until_ended(number)
    assert (status["status"], status["run"]["outcome"]) == ("pending", "cancelled")

    [received] = await receiver.wait_for_events(f"/{number}")
    assert received.event["type"] == "process.cancelled"
    # Temporal may not have closed the run yet, but the next request must not join it.
    assert (await stack.request_download(number)).json()["decision"] == "started"
    assert (await first.describe()).status is WorkflowExecutionStatus.CANCELED
    assert (await stack.wait_until_ended(number))["status"] == "completed"
