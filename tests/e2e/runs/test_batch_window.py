"""The window of open runs of batches that continue as new."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from temporalio.client import Client, WorkflowExecution

from adapters.database import Catalog, Database
from adapters.temporal.batch_client import BatchClient
from domain.batch_messages import BatchRequest
from domain.batches import Batch, ItemState, read_items
from settings import Settings
from tests.support.batches import (
    create_processes,
)
from tests.support.conditions import eventually
from tests.support.open_runs import slow_down
from tests.support.stack import RunningStack
from workflows import download_batch
from workflows.download_process import DownloadProcess


@pytest.fixture(autouse=True)
def short_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the window two runs, and let a run that makes no progress give up its slot after half a second."""
    monkeypatch.setattr(download_batch, "BATCH_WINDOW", 2)
    monkeypatch.setattr(download_batch, "_STALL_LIMIT", download_batch._STALL_LIMIT / 600)


async def test_paused_runs_hold_up_no_other_run_of_a_batch(
    stack: RunningStack, temporal: Client, settings: Settings
) -> None:
    # Several times a run's window: whenever the pause comes, some documents are left.
    paused = await create_processes(stack, 2, documents=120)
    others = await create_processes(stack, 8)
    await stack.set_latency(0.3)
    catalog = Catalog(Database(settings.effective_database_url))
    try:
        batch = Batch(uuid4().hex, "desk", datetime.now(UTC), 4, read_items([*paused, *others])[0])
        await catalog.batches.add(batch)
        await BatchClient(temporal).start(BatchRequest(batch.id, batch.client, batch.priority))
        for number in paused:

            async def is_downloading(number: str = number) -> bool:
                return (await catalog.processes.count_documents(number)).available > 0

            await eventually(is_downloading, "a run downloads")
            await temporal.get_workflow_handle(number).execute_update(DownloadProcess.pause)
        await stack.set_latency(0)

        progress = await temporal.get_workflow_handle(f"batch-{batch.id}").result()

        assert progress == {"started": 10, "joined": 0, "answered": 0, "open_runs": []}
        ended = await catalog.batches.get(batch.id)
        assert ended is not None
        assert ended.ended_at is not None
        assert [item.state for item in ended.items] == [ItemState.PROCESSING] * 2 + [ItemState.COMPLETED] * 8

        async def has_continued() -> bool:
            query = f"WorkflowId = 'batch-{batch.id}'"
            return len([each async for each in temporal.list_workflows(query)]) > 1

        await eventually(has_continued, "the batch has continued as new")
        for number in paused:
            await temporal.get_workflow_handle(number).execute_update(DownloadProcess.resume)
            await temporal.get_workflow_handle(number).result()
    finally:
        await catalog.close()


async def test_a_batch_that_continues_as_new_never_exceeds_its_window_of_open_runs(
    stack: RunningStack, temporal: Client, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    # No run gives up its slot early here. A slot becomes free when its run ends, whichever execution started it.
    monkeypatch.setattr(download_batch, "_STALL_LIMIT", timedelta(minutes=5))
    monkeypatch.setattr(download_batch, "_POLL_INTERVAL", timedelta(milliseconds=200))
    slow, *others = await create_processes(stack, 12, documents=1)
    await stack.create_process(slow, 120, size_bytes=2_000)
    await stack.set_latency(0.2)
    fault = await slow_down(stack, slow, 120)
    catalog = Catalog(Database(settings.effective_database_url))
    try:
        batch = Batch(uuid4().hex, "desk", datetime.now(UTC), 4, read_items([slow, *others])[0])
        await catalog.batches.add(batch)
        await BatchClient(temporal).start(BatchRequest(batch.id, batch.client, batch.priority))

        async def is_downloading() -> bool:
            return (await catalog.processes.count_documents(slow)).available > 0

        await eventually(is_downloading, "the slow run downloads")
        await temporal.get_workflow_handle(slow).execute_update(DownloadProcess.pause)

        async def has_continued() -> bool:
            query = f"WorkflowId = 'batch-{batch.id}'"
            return len([each async for each in temporal.list_workflows(query)]) > 1

        await eventually(has_continued, "the batch continues as new")
        await stack.end_fault(fault)
        await temporal.get_workflow_handle(slow).execute_update(DownloadProcess.resume)
        await stack.set_latency(0)
        progress = await temporal.get_workflow_handle(f"batch-{batch.id}").result()

        assert progress == {"started": 12, "joined": 0, "answered": 0, "open_runs": []}

        async def ended_runs() -> list[WorkflowExecution] | None:
            listed = [each async for each in temporal.list_workflows("WorkflowType = 'DownloadProcess'")]
            # Temporal lists the end of a run a moment after it.
            return listed if len(listed) >= 12 and all(each.close_time for each in listed) else None

        runs = await eventually(ended_runs, "the end of every run")
        assert {each.id for each in runs} == {slow, *others}
        for moment in (each.start_time for each in runs):
            open_then = {
                each.id
                for each in runs
                if each.start_time <= moment and (each.close_time is None or each.close_time > moment)
            }
            assert len(open_then) <= 2
    finally:
        await catalog.close()
