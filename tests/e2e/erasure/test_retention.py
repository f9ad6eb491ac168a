"""Processes past their retention period are erased, except for those under hold, and may be requested again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import update
from temporalio.client import ScheduleOverlapPolicy

from adapters.database import Database
from adapters.database.tables import processes, runs
from adapters.temporal.schedules import SWEEP_ERASURES
from tests.e2e.erasure.conftest import wait_until_erased
from tests.support.batches import create_batch, wait_until_batch_ended
from tests.support.process_traces import find_in_bucket
from tests.support.stack import RunningStack

if TYPE_CHECKING:
    from types_aiobotocore_s3.client import S3Client


async def make_idle(database: Database, number: str) -> None:
    """Make all activity of a process older than the stack's retention period of a day."""
    then = datetime.now(UTC) - timedelta(days=2)
    async with database.writing() as connection:
        await connection.execute(
            update(processes).where(processes.c.number == number).values(created_at=then, listed_at=then)
        )
        await connection.execute(
            update(runs).where(runs.c.process_number == number).values(started_at=then, ended_at=then)
        )


async def test_idle_processes_are_erased_and_may_be_requested_again(
    erasure_stack: RunningStack, database: Database, s3: S3Client
) -> None:
    stack = erasure_stack
    idle, held, recent = [await stack.create_ended_run(1) for _ in range(3)]
    batch = await create_batch(stack, [idle, recent])
    await wait_until_batch_ended(stack, batch)
    # Before it is idle: the schedule's own sweep may come at any moment.
    await stack.api.put(f"/processes/{held}/hold", json={"reason": "evidence"})
    for number in (idle, held):
        await make_idle(database, number)

    # That sweep may be under way; it skips others.
    await stack.temporal.get_schedule_handle(SWEEP_ERASURES.id).trigger(overlap=ScheduleOverlapPolicy.BUFFER_ONE)
    receipt = await wait_until_erased(stack, idle, seconds=150)

    assert (receipt["kind"], receipt["requested_by"]["client"]) == ("retention", "retention")
    assert (receipt["counts"]["documents"], receipt["blocking"]) == (1, False)
    assert await find_in_bucket(s3, stack.addresses["bucket"], [idle]) == []
    for number in (held, recent):
        assert (await stack.api.get(f"/processes/{number}/erasure")).status_code == 404
        assert (await stack.get_status(number))["available_documents"] == 1
    items = (await stack.api.get(f"/batches/{batch['id']}")).json()["items"]
    assert [item["state"] for item in items] == ["erased", "completed"]
    assert (await stack.api.get(f"/processes/{idle}")).status_code == 404
    await stack.request_download(idle)
    assert (await stack.wait_until_ended(idle))["available_documents"] == 1
