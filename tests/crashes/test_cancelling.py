"""A run that is cancelled while its worker is dead ends as cancelled, with nobody blamed and everybody told."""

from __future__ import annotations

import asyncio
import os
import signal

from tests.support.conditions import eventually
from tests.support.numbers import fresh_number
from tests.support.receiver import receiving
from tests.support.stack import RunningStack

DOCUMENTS = 20


async def test_cancelling_without_a_worker_blames_nobody(mortal_stack: RunningStack) -> None:
    stack = mortal_stack
    listing, downloading = fresh_number(), fresh_number()
    for number in (listing, downloading):
        await stack.prepare(number, DOCUMENTS, size_bytes=5_000)
    with receiving(stack.addresses["webhook_secret"]) as receiver:
        await stack.request(downloading, webhook_url=f"{receiver.url}/{downloading}")
        await stack.reaches(downloading, 0)
        await stack.latency(20)
        await stack.request(listing, webhook_url=f"{receiver.url}/{listing}")

        async def both_have_activities_under_way() -> bool:
            found = [
                await stack.temporal.get_workflow_handle(number).describe() for number in (listing, downloading)
            ]
            return all(run.raw_description.pending_activities for run in found)

        await eventually(both_have_activities_under_way, "activities under way")
        # Frozen: nothing comes back, and the stack starts no other in its place.
        worker = stack.pid("worker")
        os.kill(worker, signal.SIGSTOP)
        try:
            await asyncio.gather(
                *(stack.temporal.get_workflow_handle(number).cancel() for number in (listing, downloading))
            )
            stack.kill("worker")
        finally:
            os.kill(worker, signal.SIGCONT)
        await stack.latency(0)

        for number in (listing, downloading):
            status = await stack.ended(number, seconds=90)
            assert status["run"]["outcome"] == "cancelled", status
            assert (status["failed_documents"], status["failure"]) == (0, None)

        async def told() -> bool:
            return all(receiver.at(f"/{number}") for number in (listing, downloading))

        await eventually(told, "both subscribers")
        events = [receiver.at(f"/{number}")[0].event["type"] for number in (listing, downloading)]
        assert events == ["process.cancelled", "process.cancelled"]
