"""Documents that are put in parts: a worker that dies and a run that is cancelled leave nothing half uploaded."""

from __future__ import annotations

import hashlib

import httpx
import pytest
from temporalio.client import ScheduleActionExecutionStartWorkflow

from adapters.schedules import SWEEP_UPLOADS
from domain.process_number import ProcessNumber
from simulator.case import Shape, case
from tests.crashes.conftest import LIMIT_BYTES
from tests.support.buckets import bucket_of
from tests.support.conditions import eventually
from tests.support.numbers import fresh_number
from tests.support.stack import RunningStack

LARGE_BYTES = 40 * 1024**2


async def slow_download(stack: RunningStack, number: str, **details: int) -> None:
    """Make the court take some ten seconds for the process's one document, in eight pieces."""
    await stack.fault("slow", number, documents=[0], delay_seconds=1.5, **details)


def court_digest(number: str) -> str:
    """The SHA-256 of the process's one document, as the court makes it."""
    (document,) = case(ProcessNumber.parse(number), Shape(documents=1, size_bytes=LARGE_BYTES)).documents
    return hashlib.sha256(b"".join(document.file().pieces())).hexdigest()


@pytest.mark.long
async def test_a_large_document_survives_its_worker(mortal_stack: RunningStack) -> None:
    stack, number = mortal_stack, fresh_number()
    await stack.prepare(number, 1, size_bytes=LARGE_BYTES)
    await slow_download(stack, number, times=1)
    async with bucket_of(stack) as bucket:
        await stack.request(number)
        await bucket.half_way(number)
        stack.kill("worker")
        left = await bucket.uploads(number)

        status = await stack.ended(number)

        assert (status["status"], status["available_documents"]) == ("completed", 1)
        (document,) = await stack.documents(number)
        assert (document["size_bytes"], document["sha256"]) == (LARGE_BYTES, court_digest(number))
        assert len(left) == 1
        assert await bucket.uploads(number) == []
    async with httpx.AsyncClient() as client:
        linked = (await client.get(document["download_url"])).raise_for_status().content
    assert hashlib.sha256(linked).hexdigest() == document["sha256"]


async def test_a_document_over_the_limit_is_not_asked_for(mortal_stack: RunningStack) -> None:
    stack, number = mortal_stack, fresh_number()
    await stack.prepare(number, 1, size_bytes=LIMIT_BYTES + 1)
    await stack.forget_requests()
    await stack.request(number)

    status = await stack.ended(number)

    assert status["status"] == "partial"
    (document,) = await stack.documents(number)
    assert document["failure"]["code"] == "too_large"
    counted = await stack.court()
    assert counted["requests"] == counted["listings"]


async def test_a_cancelled_run_takes_back_what_it_has_half_uploaded(mortal_stack: RunningStack) -> None:
    stack, number = mortal_stack, fresh_number()
    await stack.prepare(number, 1, size_bytes=LARGE_BYTES)
    await slow_download(stack, number)
    async with bucket_of(stack) as bucket:
        await stack.request(number)
        await bucket.half_way(number)

        await stack.temporal.get_workflow_handle(number).cancel()

        assert (await stack.ended(number))["run"]["outcome"] == "cancelled"
        assert await bucket.uploads(number) == []
        assert await bucket.keys(number) == []


async def test_the_sweep_is_scheduled_and_lets_young_uploads_be(mortal_stack: RunningStack) -> None:
    stack = mortal_stack
    schedule = stack.temporal.get_schedule_handle(SWEEP_UPLOADS)
    number = fresh_number()
    async with bucket_of(stack) as bucket:
        upload = await bucket.begin(number)

        await schedule.trigger()

        async def swept() -> str | None:
            actions = (await schedule.describe()).info.recent_actions
            action = actions[-1].action if actions else None
            return action.workflow_id if isinstance(action, ScheduleActionExecutionStartWorkflow) else None

        sweep = stack.temporal.get_workflow_handle(await eventually(swept, "a sweep"))
        assert await sweep.result() == 0
        assert await bucket.uploads(number) == [upload]
