"""Cancellation over REST."""

from __future__ import annotations

from tests.support.numbers import fresh_number
from tests.support.open_runs import slow_down
from tests.support.stack import RunningStack


async def test_cancelling_a_run_twice_answers_that_it_is_cancelled(stack: RunningStack) -> None:
    number = fresh_number()
    await stack.create_process(number, 120)
    slow = await slow_down(stack, number, 120)
    await stack.request_download(number)
    await stack.wait_until_available(number, 1)

    first = await stack.post_action(number, "cancel")

    assert first.status_code in (200, 202)
    await stack.end_fault(slow)
    await stack.wait_until_ended(number)
    again = await stack.post_action(number, "cancel")
    assert again.status_code == 200
    assert again.json()["run"]["outcome"] == "cancelled"
    # A retry also downloads what the cancelled run has left.
    assert (await stack.post_action(number, "retry")).status_code == 202
    assert (await stack.wait_until_ended(number))["status"] == "completed"
