"""Many processes asked for at once: each is answered, joined or started, and none holds up the others."""

from __future__ import annotations

import asyncio
import sqlite3
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.testing import WorkflowEnvironment

from adapters.database import Catalog, Database
from adapters.database.migrate import upgrade
from api.batch_runs import BatchRuns
from domain.batches import Batch, BatchRequest, ItemState, read_items
from domain.process_number import ProcessNumber
from settings import Settings, load_settings
from tests.support.conditions import eventually
from tests.support.numbers import fresh_number
from tests.support.receiver import Receiver
from tests.support.stack import RunningStack
from worker import build_workers
from workflows import download_batch
from workflows.download_process import DownloadProcess
from workflows.search_attributes import SEARCH_ATTRIBUTES

Json = dict[str, Any]


async def prepared(stack: RunningStack, count: int, documents: int = 2) -> list[str]:
    """Processes that the court knows."""
    numbers = [fresh_number() for _ in range(count)]
    await asyncio.gather(*(stack.prepare(number, documents, size_bytes=2_000) for number in numbers))
    return numbers


async def asked(stack: RunningStack, numbers: list[str], **more: Any) -> Json:
    """A batch that was taken."""
    answer = await stack.api.post("/batches", json={"process_numbers": numbers, **more})
    assert answer.status_code == 202, answer.text
    body: Json = answer.json()
    assert answer.headers["Location"] == f"/batches/{body['id']}"
    return body


async def now(stack: RunningStack, batch: Json) -> Json:
    """The batch as it is now."""
    answer = await stack.api.get(f"/batches/{batch['id']}")
    assert answer.status_code == 200
    body: Json = answer.json()
    return body


async def ended(stack: RunningStack, batch: Json) -> Json:
    """The batch when it has ended."""

    async def over() -> Json | None:
        body = await now(stack, batch)
        return body if body["ended_at"] else None

    return await eventually(over, "the end of the batch")


def counted(batch: Json) -> Json:
    """The counts that are not zero."""
    return {state: amount for state, amount in batch["counts"].items() if amount}


async def test_each_item_becomes_what_it_can(stack: RunningStack, receiver: Receiver) -> None:
    whole, lacking, fresh = await prepared(stack, 3)
    unknown = fresh_number()
    await stack.prepare(unknown, 1, exists=False)
    await stack.fault("sealed", lacking, documents=[0])
    await stack.request(whole)
    await stack.ended(whole)
    path = f"/{uuid4()}"
    given = [whole, ProcessNumber.parse(fresh).digits, "nonsense", lacking, fresh, unknown]

    batch = await asked(stack, given, webhook_url=f"{receiver.url}{path}")
    assert [item["state"] for item in batch["items"]] == ["queued", "queued", "invalid", "queued", "queued"]
    body = await ended(stack, batch)

    assert [
        (item["position"], item["process_number"], item["state"], item["decision"]) for item in body["items"]
    ] == [
        (1, whole, "completed", "complete"),
        (2, fresh, "completed", "started"),
        (3, None, "invalid", None),
        (4, lacking, "partial", "started"),
        (6, unknown, "failed", "started"),
    ]
    assert body["items"][1]["run_id"] == (await stack.status(fresh))["run"]["id"]
    assert body["items"][2]["problem"]["code"] == "invalid_process_number"
    assert counted(body) == {"completed": 2, "partial": 1, "failed": 1, "invalid": 1, "duplicates": 1}
    assert set((await stack.court())["documents_served"].values()) == {1}

    async def told() -> bool:
        return len(receiver.at(path)) >= 3

    await eventually(told, "an event for each run")
    events = Counter((one.event["data"]["process_number"], one.event["type"]) for one in receiver.at(path))
    assert events == {
        (fresh, "process.completed"): 1,
        (lacking, "process.partial"): 1,
        (unknown, "process.failed"): 1,
    }
    again = await ended(stack, await asked(stack, [lacking, unknown]))
    assert [(item["state"], item["decision"]) for item in again["items"]] == [
        ("partial", "settled"),
        ("failed", "settled"),
    ]


async def test_an_open_run_is_joined_and_its_end_told_to_both(stack: RunningStack, receiver: Receiver) -> None:
    [number] = await prepared(stack, 1, documents=150)
    await stack.latency(0.3)
    path = f"/{uuid4()}"
    await stack.request(number, webhook_url=f"{receiver.url}{path}/single")
    await stack.reaches(number, 1)

    batch = await ended(stack, await asked(stack, [number], webhook_url=f"{receiver.url}{path}/batch"))
    assert [(item["state"], item["decision"]) for item in batch["items"]] == [("processing", "active")]
    assert batch["items"][0]["run_id"] == (await stack.status(number))["run"]["id"]
    await stack.ended(number)

    async def both() -> bool:
        return bool(receiver.at(f"{path}/single") and receiver.at(f"{path}/batch"))

    await eventually(both, "both events")
    assert (len(receiver.at(f"{path}/single")), len(receiver.at(f"{path}/batch"))) == (1, 1)
    assert [item["state"] for item in (await now(stack, batch))["items"]] == ["completed"]
    assert len(await stack.runs(number)) == 1


async def test_a_run_for_chosen_documents_is_followed_by_one_for_all(
    stack: RunningStack, receiver: Receiver
) -> None:
    [number] = await prepared(stack, 1, documents=60)
    await stack.latency(0.3)
    await stack.request(number)
    await stack.reaches(number, 1)
    await stack.api.post(f"/processes/{number}/cancel")
    await stack.ended(number)
    pending = [document["id"] for document in await stack.documents(number) if document["status"] == "pending"]
    await stack.latency(1)
    await stack.api.post(f"/processes/{number}/downloads", json={"document_ids": pending[:2]})

    path = f"/{uuid4()}"
    batch = await asked(stack, [number], webhook_url=f"{receiver.url}{path}")
    await stack.latency(0)
    body = await ended(stack, batch)

    assert [(item["state"], item["decision"]) for item in body["items"]] == [("completed", "started")]

    async def told() -> bool:
        return any(event.event["data"]["available_documents"] == 60 for event in receiver.at(path))

    await eventually(told, "the event of the run for all")
    status = await stack.status(number)
    assert (status["available_documents"], status["run"]["id"]) == (60, body["items"][0]["run_id"])
    assert len(await stack.runs(number)) == 3


async def test_a_batch_that_is_left_alone_is_taken_up_again(stack: RunningStack) -> None:
    numbers = await prepared(stack, 30, documents=1)
    await stack.latency(0.5)
    batch = await asked(stack, numbers)
    await stack.temporal.get_workflow_handle(f"batch-{batch['id']}").terminate("by hand")
    await stack.latency(0)
    with sqlite3.connect(stack.data_dir / "autos.db") as catalog:
        catalog.execute("UPDATE batches SET created_at = '2026-01-01 00:00:00.000000' WHERE id = ?", (batch["id"],))
    catalog.close()

    await stack.temporal.get_schedule_handle("sweep-batches").trigger()

    assert counted(await ended(stack, batch))["completed"] == 30


async def test_a_cancelled_batch_starts_nothing_further_and_stops_nothing(stack: RunningStack) -> None:
    numbers = await prepared(stack, 30, documents=3)
    await stack.latency(0.3)
    batch = await asked(stack, numbers)

    async def begun() -> bool:
        return bool((await now(stack, batch))["counts"]["processing"] >= 3)

    await eventually(begun, "some runs are open")
    workflow = stack.temporal.get_workflow_handle(f"batch-{batch['id']}")
    await workflow.cancel()
    body = await ended(stack, batch)
    left = body["counts"]["queued"]
    assert left >= 30 - download_batch.BATCH_WINDOW

    async def stopped() -> bool:
        return (await workflow.describe()).status is WorkflowExecutionStatus.CANCELED

    await eventually(stopped, "the batch is cancelled")
    await stack.latency(0)

    async def settled() -> Json | None:
        later = await now(stack, batch)
        return later if not later["counts"]["processing"] else None

    assert counted(await eventually(settled, "its runs end")) == {"queued": left, "completed": 30 - left}


async def test_a_run_that_is_killed_does_not_harm_its_batch(stack: RunningStack) -> None:
    killed, sound = await prepared(stack, 2, documents=20)
    await stack.latency(0.3)
    batch = await asked(stack, [killed, sound])

    async def begun() -> bool:
        return bool((await now(stack, batch))["counts"]["processing"] == 2)

    await eventually(begun, "both runs are open")
    await stack.temporal.get_workflow_handle(killed).terminate()
    await stack.latency(0)
    body = await ended(stack, batch)
    assert [item["state"] for item in body["items"]] == ["cancelled", "completed"]


@pytest.mark.parametrize(
    ("body", "code", "named"),
    [
        ({"process_numbers": []}, "invalid_request", "process_numbers"),
        ({"process_numbers": ["x"] * 1001}, "invalid_request", "process_numbers"),
        ({"process_numbers": [7]}, "invalid_request", "process_numbers.0"),
        ({"process_numbers": ["x"], "priority": 6}, "invalid_request", "priority"),
        ({"process_numbers": ["x"], "max_age": -1}, "invalid_request", "max_age"),
        ({"process_numbers": ["x"], "when": "now"}, "invalid_request", "when"),
        ({"process_numbers": ["x"], "webhook_url": "ftp://example.com"}, "invalid_webhook_url", "webhook_url"),
        ({"process_numbers": ["x", "1011745-78.2025.8.11.0041"]}, "no_valid_numbers", "process_numbers.0"),
    ],
)
async def test_what_cannot_be_used_is_refused_by_its_name(
    stack: RunningStack, body: Json, code: str, named: str
) -> None:
    answer = await stack.api.post("/batches", json=body)
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (422, code)
    assert named in problem["errors"][0]["parameter"]


async def test_a_batch_that_there_is_not_is_unknown(stack: RunningStack) -> None:
    answer = await stack.api.get(f"/batches/{uuid4().hex}")
    assert (answer.status_code, answer.json()["code"]) == (404, "batch_unknown")


@pytest.fixture
def settings(stack: RunningStack, tmp_path: Path) -> Settings:
    """The shared stack's court and store, with a catalog of its own."""
    database = f"sqlite+aiosqlite:///{tmp_path / 'catalog.db'}"
    upgrade(database)
    return load_settings(data_dir=stack.data_dir, database_url=database)


@pytest.fixture
async def impatient(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Client]:
    """A Temporal that suggests to continue as new after fifty events; batches have little room and no patience."""
    monkeypatch.setattr(download_batch, "BATCH_WINDOW", 2)
    monkeypatch.setattr(download_batch, "_PATIENCE", download_batch._PATIENCE / 600)
    environment = await WorkflowEnvironment.start_local(
        dev_server_existing_path=str(Path(sys.executable).parent / "temporal"),
        dev_server_extra_args=["--dynamic-config-value", "limit.historyCount.suggestContinueAsNew=50"],
        search_attributes=SEARCH_ATTRIBUTES,
    )
    async with environment, AsyncExitStack() as parts:
        for each in await build_workers(environment.client, settings, parts):
            await parts.enter_async_context(each)
        yield environment.client


async def test_paused_runs_hold_up_no_others_over_many_executions(
    stack: RunningStack, impatient: Client, settings: Settings
) -> None:
    held = await prepared(stack, 2, documents=40)
    others = await prepared(stack, 8)
    await stack.latency(0.3)
    catalog = Catalog(Database(settings.effective_database_url))
    try:
        batch = Batch(uuid4().hex, "desk", datetime.now(UTC), 4, read_items([*held, *others])[0])
        await catalog.batches.add(batch)
        await BatchRuns(impatient).start(BatchRequest(batch.id, batch.client, batch.priority))
        for number in held:

            async def is_downloading(number: str = number) -> bool:
                return (await catalog.processes.completeness(number)).available > 0

            await eventually(is_downloading, "a run downloads")
            await impatient.get_workflow_handle(number).execute_update(DownloadProcess.pause)
        await stack.latency(0)

        progress = await impatient.get_workflow_handle(f"batch-{batch.id}").result()

        assert progress == {"started": 10, "joined": 0, "answered": 0, "open_runs": []}
        found = await catalog.batches.get(batch.id)
        assert found is not None
        assert found.ended_at is not None
        assert [item.state for item in found.items] == [ItemState.PROCESSING] * 2 + [ItemState.COMPLETED] * 8
        executions = [each async for each in impatient.list_workflows(f"WorkflowId = 'batch-{batch.id}'")]
        assert len(executions) > 1
        for number in held:
            await impatient.get_workflow_handle(number).execute_update(DownloadProcess.resume)
            await impatient.get_workflow_handle(number).result()
    finally:
        await catalog.close()


async def test_a_batch_over_many_executions_never_has_more_runs_open_than_its_window(
    stack: RunningStack, impatient: Client, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Nobody is held up here: a place is free when its run is over, whichever execution of the batch has started it.
    monkeypatch.setattr(download_batch, "_PATIENCE", timedelta(minutes=5))
    monkeypatch.setattr(download_batch, "_LOOK_EVERY", timedelta(milliseconds=200))
    slow, *others = await prepared(stack, 12, documents=1)
    await stack.prepare(slow, 60, size_bytes=2_000)
    await stack.latency(0.2)
    catalog = Catalog(Database(settings.effective_database_url))
    try:
        batch = Batch(uuid4().hex, "desk", datetime.now(UTC), 4, read_items([slow, *others])[0])
        await catalog.batches.add(batch)
        await BatchRuns(impatient).start(BatchRequest(batch.id, batch.client, batch.priority))

        async def is_open() -> bool:
            return (await catalog.processes.completeness(slow)).available > 0

        await eventually(is_open, "the slow run downloads")
        await impatient.get_workflow_handle(slow).execute_update(DownloadProcess.pause)

        async def many() -> bool:
            query = f"WorkflowId = 'batch-{batch.id}'"
            return len([each async for each in impatient.list_workflows(query)]) > 1

        await eventually(many, "the batch continues as new")
        await impatient.get_workflow_handle(slow).execute_update(DownloadProcess.resume)
        await stack.latency(0)
        progress = await impatient.get_workflow_handle(f"batch-{batch.id}").result()

        assert progress == {"started": 12, "joined": 0, "answered": 0, "open_runs": []}
        runs = [each async for each in impatient.list_workflows("WorkflowType = 'DownloadProcess'")]
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
