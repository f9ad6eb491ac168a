"""Multipart uploads: a worker that dies and a run that is cancelled leave no unfinished upload behind."""

from __future__ import annotations

import hashlib

import httpx2
import pytest
from temporalio.client import ScheduleActionExecutionStartWorkflow

from adapters.temporal.schedules import SWEEP_UPLOADS
from tests.support.buckets import open_bucket
from tests.support.conditions import eventually
from tests.support.court_documents import digest_of_only_document
from tests.support.numbers import fresh_number
from tests.support.stack import RunningStack

LARGE_BYTES = 40 * 1024**2


async def slow_down_document(stack: RunningStack, number: str, **details: int) -> None:
    """Make the court send the process's one document in eight chunks over about ten seconds."""
    await stack.inject_fault("slow", number, documents=[0], delay_seconds=1.5, **details)


@pytest.mark.long
async def test_a_large_document_is_stored_although_its_worker_dies(crash_stack: RunningStack) -> None:
    stack, number = crash_stack, fresh_number()
    await stack.create_process(number, 1, size_bytes=LARGE_BYTES)
    await slow_down_document(stack, number, times=1)
    async with open_bucket(stack) as bucket:
        await stack.request_download(number)
        await bucket.wait_until_half_uploaded(number)
        stack.kill_service("worker")
        uploads_of_dead_worker = await bucket.list_uploads(number)

        status = await stack.wait_until_ended(number)

        assert (status["status"], status["available_documents"]) == ("completed", 1)
        (document,) = await stack.list_documents(number)
        assert (document["size_bytes"], document["sha256"]) == (
            LARGE_BYTES,
            digest_of_only_document(number, LARGE_BYTES),
        )
        assert len(uploads_of_dead_worker) == 1
        assert await bucket.list_uploads(number) == []
    async with httpx2.AsyncClient(timeout=60) as client:
        content = (await client.get(document["download_url"])).raise_for_status().content
    assert hashlib.sha256(content).hexdigest() == document["sha256"]


async def test_a_cancelled_run_aborts_its_unfinished_upload(crash_stack: RunningStack) -> None:
    stack, number = crash_stack, fresh_number()
    await stack.create_process(number, 1, size_bytes=LARGE_BYTES)
    await slow_down_document(stack, number)
    async with open_bucket(stack) as bucket:
        await stack.request_download(number)
        await bucket.wait_until_half_uploaded(number)

        await stack.temporal.get_workflow_handle(number).cancel()

        assert (await stack.wait_until_ended(number))["run"]["outcome"] == "cancelled"
        assert await bucket.list_uploads(number) == []
        assert await bucket.list_keys(number) == []


async def test_the_upload_sweep_is_scheduled_and_keeps_recent_uploads(crash_stack: RunningStack) -> None:
    stack = crash_stack
    schedule = stack.temporal.get_schedule_handle(SWEEP_UPLOADS.id)
    number = fresh_number()
    async with open_bucket(stack) as bucket:
        upload = await bucket.begin_upload(number)

        async def list_sweeps() -> set[str]:
            actions = [each.action for each in (await schedule.describe()).info.recent_actions]
            return {each.workflow_id for each in actions if isinstance(each, ScheduleActionExecutionStartWorkflow)}

        # The schedule starts sweeps by itself too, which had nothing to keep.
        earlier = await list_sweeps()
        await schedule.trigger()

        async def sweep_started() -> str | None:
            return next(iter(await list_sweeps() - earlier), None)

        sweep = stack.temporal.get_workflow_handle(await eventually(sweep_started, "a sweep"))
        assert await sweep.result() == 0
        assert await bucket.list_uploads(number) == [upload]
