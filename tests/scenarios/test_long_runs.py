"""Runs too long for one execution continue as new, and lose nothing on the way."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import update
from temporalio.client import Client
from temporalio.testing import WorkflowEnvironment

from adapters.database import Catalog, Database
from adapters.database.migrate import upgrade
from adapters.database.tables import documents
from adapters.database.webhook_tables import deliveries
from api.runs import Runs
from domain.completeness import Decision
from domain.messages import DocumentChoice, DownloadRequest, RunOpening, RunResult
from domain.process_number import ProcessNumber
from settings import Settings, load_settings
from tests.support.conditions import eventually
from tests.support.numbers import fresh_number
from tests.support.receiver import Receiver
from tests.support.stack import RunningStack
from worker import build_workers
from workflows.download_process import DownloadProcess
from workflows.options import PROCESSES_QUEUE
from workflows.search_attributes import PHASE, SEARCH_ATTRIBUTES


@pytest.fixture
def settings(stack: RunningStack, tmp_path: Path) -> Settings:
    """The shared stack's court and store, with a catalog of its own."""
    database = f"sqlite+aiosqlite:///{tmp_path / 'catalog.db'}"
    upgrade(database)
    return load_settings(data_dir=stack.data_dir, database_url=database)


@pytest.fixture
async def forgetful(settings: Settings) -> AsyncIterator[Client]:
    """A Temporal that suggests to continue as new after fifty events, with our workers on it."""
    environment = await WorkflowEnvironment.start_local(
        dev_server_existing_path=str(Path(sys.executable).parent / "temporal"),
        dev_server_extra_args=["--dynamic-config-value", "limit.historyCount.suggestContinueAsNew=50"],
        search_attributes=SEARCH_ATTRIBUTES,
    )
    async with environment, AsyncExitStack() as parts:
        for each in await build_workers(environment.client, settings, parts):
            await parts.enter_async_context(each)
        yield environment.client


async def test_a_run_over_many_executions_downloads_everything_once(
    stack: RunningStack, forgetful: Client, settings: Settings, receiver: Receiver
) -> None:
    number = ProcessNumber.parse(fresh_number())
    await stack.prepare(number.canonical, 150, size_bytes=2_000)
    catalog = Catalog(Database(settings.effective_database_url))
    try:
        subscribers = [f"/{number}/{index}" for index in range(40)]
        runs = Runs(forgetful)
        started = await runs.start(DownloadRequest(number.canonical), is_over=catalog.runs.is_over)
        for path in subscribers:
            opening = RunOpening(number.canonical, started.run.id, "local")
            assert await catalog.runs.subscribe(opening, "local", f"{receiver.url}{path}") is None

        assert started.decision is Decision.STARTED
        run = forgetful.get_workflow_handle(number.canonical, result_type=RunResult)
        result = await run.result()
        executions = [each async for each in forgetful.list_workflows(f"WorkflowId = '{number}'")]
        assert len(executions) > 2
        assert (result.available_documents, result.downloaded_documents) == (150, 150)
        assert set((await stack.court())["documents_served"].values()) == {1}
        process = await catalog.processes.get(number.canonical)
        assert process is not None
        assert process.latest_run is not None
        assert process.latest_run.id == started.run.id

        async def all_told() -> bool:
            return all(len(receiver.at(path)) == 1 for path in subscribers)

        await eventually(all_told, "every subscriber called once")
    finally:
        await catalog.close()


async def test_what_is_asked_for_while_an_execution_ends_is_done_by_the_next(
    stack: RunningStack, forgetful: Client, settings: Settings
) -> None:
    number = ProcessNumber.parse(fresh_number())
    await stack.prepare(number.canonical, 60, size_bytes=2_000)
    catalog = Catalog(Database(settings.effective_database_url))
    try:
        runs = Runs(forgetful)
        await stack.fault("sealed", number.canonical, documents=[0])
        await runs.start(DownloadRequest(number.canonical), is_over=catalog.runs.is_over)
        handle = forgetful.get_workflow_handle(number.canonical, result_type=RunResult)
        assert (await handle.result()).failed_documents == 1
        pages = await catalog.documents.page(number.canonical, limit=100)
        refused, stored = pages[0].id, [document.id for document in pages[1:]]
        await forget(settings, number.canonical, stored)
        (await stack.simulator.delete("/_simulator/faults")).raise_for_status()
        await stack.latency(1)
        request = DownloadRequest(number.canonical, document_ids=tuple(stored))
        first = await runs.start(request, is_over=catalog.runs.is_over)

        async def ends() -> bool:
            # It takes nothing more, and waits for what is on its way.
            described = await handle.describe()
            return described.run_id == first.run.id and described.history_length > 50

        await eventually(ends, "the first execution is about to continue as new")
        await handle.execute_update(DownloadProcess.widen, DocumentChoice((refused,)))
        await stack.latency(0)

        result = await handle.result()

        assert (result.total_documents, result.available_documents) == (60, 60)
        assert len([each async for each in forgetful.list_workflows(f"WorkflowId = '{number}'")]) > 2
    finally:
        await catalog.close()


async def forget(settings: Settings, number: str, document_ids: list[str]) -> None:
    """Make stored documents pending again, as far as the catalog knows."""
    database = Database(settings.effective_database_url)
    async with database.writing() as connection:
        await connection.execute(
            update(documents)
            .where(documents.c.process_number == number, documents.c.id.in_(document_ids))
            .values(status="pending", failed_attempts=0, object_key=None)
        )
    await database.close()


async def test_a_sweep_starts_all_that_is_overdue_over_many_executions(
    forgetful: Client, settings: Settings, receiver: Receiver
) -> None:
    database = Database(settings.effective_database_url)
    catalog = Catalog(database)
    try:
        path = f"/{uuid4()}"
        made = [(await catalog.webhooks.announce_test("local", f"{receiver.url}{path}")).id for _ in range(120)]
        async with database.writing() as connection:
            await connection.execute(
                update(deliveries).values(next_attempt_at=datetime.now(UTC) - timedelta(hours=1))
            )

        started = await forgetful.execute_workflow(
            "SweepDeliveries", id="sweep", task_queue=PROCESSES_QUEUE, result_type=int
        )

        assert started == 120
        assert len([each async for each in forgetful.list_workflows("WorkflowId = 'sweep'")]) > 1

        async def all_told() -> bool:
            return {one.event_id for one in receiver.at(path)} == set(made)

        await eventually(all_told, "every event")
    finally:
        await catalog.close()


async def test_a_paused_run_that_gets_many_signals_continues_as_new_and_stays_paused(
    stack: RunningStack, forgetful: Client, settings: Settings
) -> None:
    number = ProcessNumber.parse(fresh_number())
    await stack.prepare(number.canonical, 40, size_bytes=2_000)
    await stack.latency(0.2)
    catalog = Catalog(Database(settings.effective_database_url))
    await Runs(forgetful).start(DownloadRequest(number.canonical), is_over=catalog.runs.is_over)
    await catalog.close()
    run = forgetful.get_workflow_handle(number.canonical, result_type=RunResult)
    await run.execute_update(DownloadProcess.pause)

    for _ in range(60):
        await run.signal(DownloadProcess.subscribe)

    async def executions() -> int:
        return len([each async for each in forgetful.list_workflows(f"WorkflowId = '{number}'")])

    async def continued() -> bool:
        return await executions() > 1

    await eventually(continued, "a second execution")
    described = await run.describe()
    assert described.typed_search_attributes.get(PHASE) == "paused"
    assert described.history_length < 200
    await stack.latency(0)
    await run.execute_update(DownloadProcess.resume)
    assert (await run.result()).available_documents == 40
