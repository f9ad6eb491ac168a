"""Runs that stay open while a test looks at them."""

from __future__ import annotations

from tests.support.conditions import eventually
from tests.support.numbers import fresh_number
from tests.support.stack import RunningStack
from workflows.download_process import DownloadProcess
from workflows.options import DOWNLOAD_WINDOW


async def create_open_run(stack: RunningStack, documents: int = 80, *, latency: float = 0.3) -> str:
    """Start a run against a court that answers late. Returns the number of the process."""
    number = fresh_number()
    await stack.create_process(number, documents, size_bytes=1_500)
    await stack.set_latency(latency)
    await stack.request_download(number)
    return number


async def slow_down(stack: RunningStack, number: str, documents: int) -> str:
    """Have the court take two seconds for each of a process's so many documents. Returns the fault.

    The first ones are as fast as ever: those that are under way at once begin in any order, so that slow ones among
    them could come before all others. A document that the court has begun to send stays slow after the fault's end.
    """
    slow = [*range(DOWNLOAD_WINDOW, documents)]
    return await stack.inject_fault("slow", number, documents=slow, delay_seconds=0.3)


async def create_paused_run(stack: RunningStack) -> str:
    """Start and pause a run, and wait until its downloads under way have ended: its status no longer changes."""
    number = fresh_number()
    await stack.create_process(number, 120, size_bytes=1_500)
    slow = await slow_down(stack, number, 120)
    await stack.request_download(number)
    await stack.wait_until_available(number, 1)
    await stack.temporal.get_workflow_handle(number).execute_update(DownloadProcess.pause)
    await stack.end_fault(slow)
    await wait_until_idle(stack, number)
    return number


async def wait_until_idle(stack: RunningStack, number: str) -> None:
    """Wait until the downloads of a paused run that were under way have ended, as Temporal has recorded."""
    run = stack.temporal.get_workflow_handle(number)

    async def nothing_is_under_way() -> bool:
        return not (await run.describe()).raw_description.pending_activities

    await eventually(nothing_is_under_way, "the end of the downloads under way")


async def resume_run(stack: RunningStack, number: str) -> None:
    """Resume a paused run."""
    await stack.temporal.get_workflow_handle(number).execute_update(DownloadProcess.resume)
