"""An erasure whose worker is killed continues where it was."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import update
from temporalio.client import ScheduleOverlapPolicy

from adapters.database import Catalog, Database
from adapters.database.erasure_tables import erasures
from adapters.temporal.schedules import SWEEP_ERASURES
from domain.erasure import Author
from tests.e2e.erasure.conftest import wait_until_erased
from tests.support.conditions import eventually
from tests.support.process_traces import find_in_bucket, find_in_database
from tests.support.stack import RunningStack

if TYPE_CHECKING:
    from types_aiobotocore_s3.client import S3Client

DOCUMENTS = 40


async def kill_at(stack: RunningStack, number: str, reached: Callable[[dict[str, Any]], bool]) -> None:
    """Kill the worker as soon as the receipt of an erasure shows that a point is reached."""

    async def is_reached() -> bool:
        return reached((await stack.api.get(f"/processes/{number}/erasure")).json())

    await eventually(is_reached, "the point at which the worker is killed")
    stack.kill_service("worker")


async def immediately(stack: RunningStack, number: str) -> None:
    stack.kill_service("worker")


async def while_objects_are_erased(stack: RunningStack, number: str) -> None:
    await kill_at(stack, number, lambda receipt: receipt["counts"]["objects"] > 0)


async def after_the_rows(stack: RunningStack, number: str) -> None:
    await kill_at(stack, number, lambda receipt: receipt["counts"]["documents"] > 0)


@pytest.mark.parametrize("kill", [immediately, while_objects_are_erased, after_the_rows])
async def test_a_killed_worker_continues_the_erasure(
    erasure_stack: RunningStack,
    s3: S3Client,
    database: Database,
    kill: Callable[[RunningStack, str], Awaitable[None]],
) -> None:
    stack = erasure_stack
    number = await stack.create_ended_run(DOCUMENTS)

    assert (await stack.api.delete(f"/processes/{number}")).status_code == 202
    await kill(stack, number)
    receipt = await wait_until_erased(stack, number, seconds=150)

    assert receipt["counts"]["documents"] == DOCUMENTS
    assert receipt["counts"]["objects"] == DOCUMENTS
    assert await find_in_bucket(s3, stack.addresses["bucket"], [number]) == []
    assert {found.partition(".")[0] for found in await find_in_database(database, [number])} == {"erasures"}
    assert await stack.list_run_ids(number) == []


async def test_an_erasure_whose_workflow_is_lost_is_swept_up(
    erasure_stack: RunningStack, s3: S3Client, database: Database
) -> None:
    stack = erasure_stack
    number = await stack.create_ended_run(1)
    # A tombstone without a workflow: its API died in between. The sweep leaves young ones to the API.
    await Catalog(database).erasures.request(number, Author("operator"), None)
    async with database.writing() as connection:
        await connection.execute(
            update(erasures)
            .where(erasures.c.process_number == number)
            .values(requested_at=datetime.now(UTC) - timedelta(hours=1))
        )

    # The schedule's own sweep may be under way; it skips others.
    await stack.temporal.get_schedule_handle(SWEEP_ERASURES.id).trigger(overlap=ScheduleOverlapPolicy.BUFFER_ONE)

    assert (await wait_until_erased(stack, number))["requested_by"]["client"] == "operator"
    assert await find_in_bucket(s3, stack.addresses["bucket"], [number]) == []
