"""Cancellation while the worker is dead: no document is blamed, and every subscriber gets its event."""

from __future__ import annotations

import asyncio
import os
import signal

from tests.support.conditions import eventually
from tests.support.numbers import fresh_number
from tests.support.receiver import running_receiver
from tests.support.stack import RunningStack

DOCUMENTS = 20


async def test_runs_cancelled_without_a_worker_end_as_cancelled_without_failures(crash_stack: RunningStack) -> None:
    stack = crash_stack
    listing, downloading = fresh_number(), fresh_number()
    for number in (listing, downloading):
        await stack.create_process(number, DOCUMENTS, size_bytes=5_000)
    with running_receiver(stack.addresses["webhook_secret"]) as receiver:
        # No document of this run is whole before the runs are cancelled.
        slow = await stack.inject_fault("slow", downloading, documents=1.0, delay_seconds=3)
        await stack.request_download(downloading, webhook_url=f"{receiver.url}/{downloading}")

        async def listed() -> bool:
            return bool((await stack.get_status(downloading))["total_documents"] == DOCUMENTS)

        await eventually(listed, "the listing")
        await stack.set_latency(20)
        await stack.request_download(listing, webhook_url=f"{receiver.url}/{listing}")

        async def both_have_activities_under_way() -> bool:
            runs = [
                await stack.temporal.get_workflow_handle(number).describe() for number in (listing, downloading)
            ]
            return all(run.raw_description.pending_activities for run in runs)

        await eventually(both_have_activities_under_way, "activities under way")
        # A frozen worker reports nothing, and the stack does not restart it.
        worker = stack.get_pid("worker")
        os.kill(worker, signal.SIGSTOP)
        try:
            await asyncio.gather(
                *(stack.temporal.get_workflow_handle(number).cancel() for number in (listing, downloading))
            )
            stack.kill_service("worker")
        finally:
            os.kill(worker, signal.SIGCONT)
        await stack.end_fault(slow)
        await stack.set_latency(0)

        for number in (listing, downloading):
            status = await stack.wait_until_ended(number, seconds=90)
            assert status["run"]["outcome"] == "cancelled", status
            assert (status["failed_documents"], status["failure"]) == (0, None)

        for number in (listing, downloading):
            received = await receiver.wait_for_events(f"/{number}")
            assert received[0].event["type"] == "process.cancelled"
