"""Pause and resume in Temporal."""

from __future__ import annotations

from tests.support.conditions import eventually
from tests.support.numbers import fresh_number
from tests.support.open_runs import slow_down, wait_until_idle
from tests.support.stack import RunningStack
from workflows.download_process import DownloadProcess


async def test_a_paused_run_starts_no_further_download_until_it_is_resumed(stack: RunningStack) -> None:
    number = fresh_number()
    await stack.create_process(number, 120)
    slow = await slow_down(stack, number, 120)
    await stack.request_download(number)
    await stack.wait_until_available(number, 5)
    run = stack.temporal.get_workflow_handle(number)

    assert await run.execute_update(DownloadProcess.pause) == "paused"
    assert await run.execute_update(DownloadProcess.pause) == "paused"
    await stack.end_fault(slow)
    await wait_until_idle(stack, number)

    async def downloads_stopped() -> dict[str, object] | None:
        before = await stack.get_status(number)
        requests = (await stack.get_court_stats())["requests"]
        after = await stack.get_status(number)
        same = before["available_documents"] == after["available_documents"]
        return after if same and requests == (await stack.get_court_stats())["requests"] else None

    paused = await eventually(downloads_stopped, "the end of the downloads under way")
    assert (paused["status"], paused["phase"]) == ("processing", "paused")
    assert int(str(paused["available_documents"])) < 120

    assert await run.execute_update(DownloadProcess.resume) == "downloading"
    assert (await stack.wait_until_ended(number))["status"] == "completed"
