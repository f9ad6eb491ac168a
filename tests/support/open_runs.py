"""Runs that stay open while a test looks at them."""

from __future__ import annotations

from tests.support.conditions import eventually
from tests.support.numbers import fresh_number
from tests.support.stack import RunningStack
from workflows.download_process import DownloadProcess


async def create_open_run(stack: RunningStack, documents: int = 80, *, latency: float = 0.3) -> str:
    """Start a run against a court that answers late. Returns the number of the process."""
    number = fresh_number()
    await stack.create_process(number, documents, size_bytes=1_500)
    await stack.set_latency(latency)
    await stack.request_download(number)
    return number


async def create_paused_run(stack: RunningStack) -> str:
    """Start and pause a run, and wait until its downloads under way have ended: its status no longer changes."""
    number = await create_open_run(stack)
    await stack.wait_until_available(number, 1)
    await stack.temporal.get_workflow_handle(number).execute_update(DownloadProcess.pause)
    await stack.set_latency(0)
    counts: list[int] = []

    async def unchanged() -> bool:
        counts.append((await stack.get_status(number))["available_documents"])
        return len(counts) > 5 and len(set(counts[-5:])) == 1

    await eventually(unchanged, "the end of the downloads under way")
    return number


async def resume_run(stack: RunningStack, number: str) -> None:
    """Resume a paused run."""
    await stack.temporal.get_workflow_handle(number).execute_update(DownloadProcess.resume)
