"""Pause and resume over REST."""

from __future__ import annotations

from api.schemas.processes import StatusBody
from tests.support.conditions import eventually
from tests.support.numbers import fresh_number
from tests.support.open_runs import slow_down, wait_until_idle
from tests.support.stack import RunningStack


async def test_a_paused_run_downloads_nothing_and_continues_when_resumed(stack: RunningStack) -> None:
    number = fresh_number()
    await stack.create_process(number, 120)
    slow = await slow_down(stack, number, 120)
    await stack.request_download(number)
    await stack.wait_until_available(number, 1)

    paused = [await stack.post_action(number, "pause") for _ in range(2)]

    assert [answer.status_code for answer in paused] == [200, 200]
    assert {StatusBody.model_validate(answer.json()).phase for answer in paused} == {"paused"}
    await stack.end_fault(slow)
    await wait_until_idle(stack, number)

    async def downloads_stopped() -> int | None:
        before = (await stack.get_status(number))["available_documents"]
        served = (await stack.get_court_stats())["documents_served"]
        return before if before == len(served) else None

    stored = await eventually(downloads_stopped, "the end of the downloads under way")
    assert stored < 120
    resumed = [await stack.post_action(number, "resume") for _ in range(2)]
    assert [answer.status_code for answer in resumed] == [200, 200]
    assert resumed[0].json()["phase"] == "downloading"
    assert (await stack.wait_until_ended(number))["status"] == "completed"
