"""Batches that are terminated or cancelled, and batches whose runs are killed."""

from __future__ import annotations

import sqlite3
from typing import Any

from temporalio.client import ScheduleOverlapPolicy, WorkflowExecutionStatus

from tests.support.batches import (
    create_batch,
    create_processes,
    get_batch,
    nonzero_counts,
    wait_until_batch_ended,
    wait_until_processing,
)
from tests.support.conditions import eventually
from tests.support.stack import RunningStack
from workflows import download_batch

Json = dict[str, Any]


async def wait_until_runs_ended(stack: RunningStack, batch: Json) -> Json:
    """Wait until none of the batch's runs is open, and return the batch."""

    async def all_runs_ended() -> Json | None:
        later = await get_batch(stack, batch)
        return later if not later["counts"]["processing"] else None

    return await eventually(all_runs_ended, "the end of the batch's runs")


async def test_a_terminated_batch_is_started_again_by_the_sweep(stack: RunningStack) -> None:
    numbers = await create_processes(stack, 30, documents=1)
    # No listing arrives before the batch is terminated.
    await stack.set_latency(3)
    batch = await create_batch(stack, numbers)
    await stack.temporal.get_workflow_handle(f"batch-{batch['id']}").terminate("by hand")
    await stack.set_latency(0)
    with sqlite3.connect(stack.data_dir / "autos.db") as catalog:
        catalog.execute("UPDATE batches SET created_at = '2026-01-01 00:00:00.000000' WHERE id = ?", (batch["id"],))
    catalog.close()

    await stack.temporal.get_schedule_handle("sweep-batches").trigger(overlap=ScheduleOverlapPolicy.BUFFER_ONE)

    await wait_until_batch_ended(stack, batch)
    # The continued batch waits neither for the runs that were started before, nor for those that it joins.
    assert nonzero_counts(await wait_until_runs_ended(stack, batch)) == {"completed": 30}


async def test_a_cancelled_batch_starts_no_further_run_and_leaves_its_open_runs(stack: RunningStack) -> None:
    numbers = await create_processes(stack, 30, documents=3)
    # No run ends before the batch is cancelled, so none gives up its place in the window.
    await stack.set_latency(3)
    batch = await create_batch(stack, numbers)
    await wait_until_processing(stack, batch, 3)
    workflow = stack.temporal.get_workflow_handle(f"batch-{batch['id']}")
    await workflow.cancel()
    body = await wait_until_batch_ended(stack, batch)
    queued = body["counts"]["queued"]
    assert queued >= 30 - download_batch.BATCH_WINDOW

    async def cancelled() -> bool:
        return (await workflow.describe()).status is WorkflowExecutionStatus.CANCELED

    await eventually(cancelled, "the batch is cancelled")
    await stack.set_latency(0)
    later = await wait_until_runs_ended(stack, batch)
    assert nonzero_counts(later) == {"queued": queued, "completed": 30 - queued}


async def test_a_batch_continues_after_one_of_its_runs_is_terminated(stack: RunningStack) -> None:
    terminated, other = await create_processes(stack, 2, documents=20)
    await stack.set_latency(3)
    batch = await create_batch(stack, [terminated, other])
    await wait_until_processing(stack, batch, 2)
    await stack.temporal.get_workflow_handle(terminated).terminate()
    await stack.set_latency(0)
    body = await wait_until_batch_ended(stack, batch)
    assert [item["state"] for item in body["items"]] == ["cancelled", "completed"]
