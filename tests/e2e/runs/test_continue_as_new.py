"""Runs and sweeps that are too long for one execution continue as new and lose nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import uuid4

from sqlalchemy import update
from structlog.contextvars import bound_contextvars
from temporalio.client import Client

from adapters.database import Catalog, Database
from adapters.database.tables import documents
from adapters.database.webhook_tables import deliveries
from adapters.temporal.run_client import RunClient
from domain.completeness import Decision
from domain.process_number import ProcessNumber
from domain.request_trace import TRACE_HEADER, RequestTrace
from domain.run_messages import DocumentChoice, DownloadRequest, RunOpening, RunResult
from settings import Settings
from tests.support.conditions import eventually
from tests.support.numbers import fresh_number
from tests.support.receiver import Receiver
from tests.support.stack import RunningStack
from workflows.download_process import DownloadProcess
from workflows.options import PROCESSES_QUEUE
from workflows.search_attributes import PHASE

TRACE = RequestTrace("first-1", "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331")


async def test_a_run_that_continues_as_new_downloads_every_document_once(
    stack: RunningStack, temporal: Client, settings: Settings, receiver: Receiver
) -> None:
    number = ProcessNumber.parse(fresh_number())
    await stack.create_process(number.canonical, 150, size_bytes=2_000)
    catalog = Catalog(Database(settings.effective_database_url))
    try:
        subscribers = [f"/{number}/{index}" for index in range(40)]
        # The run is still listing the process when the last of them subscribes.
        await stack.set_latency(3)
        runs = RunClient(temporal)
        with bound_contextvars(**TRACE.to_fields(), span_id=TRACE.span_id):
            started = await runs.start(DownloadRequest(number.canonical), is_over=catalog.runs.has_ended)
        for path in subscribers:
            opening = RunOpening(number.canonical, started.run.id, "local")
            assert await catalog.runs.subscribe(opening, "local", f"{receiver.url}{path}") is None
        await stack.set_latency(0)

        assert started.decision is Decision.STARTED
        run = temporal.get_workflow_handle(number.canonical, result_type=RunResult)
        result = await run.result()
        await wait_for_executions(temporal, number.canonical, 3)
        assert (result.available_documents, result.downloaded_documents) == (150, 150)
        assert set((await stack.get_court_stats())["documents_served"].values()) == {1}
        process = await catalog.processes.get(number.canonical)
        assert process is not None
        assert process.latest_run is not None
        assert process.latest_run.id == started.run.id
        await assert_every_activity_has_the_ids_of(temporal, number.canonical, TRACE)

        for path in subscribers:
            [_] = await receiver.wait_for_events(path)
    finally:
        await catalog.close()


async def test_documents_requested_while_an_execution_ends_are_downloaded_by_the_next(
    stack: RunningStack, temporal: Client, settings: Settings
) -> None:
    number = ProcessNumber.parse(fresh_number())
    await stack.create_process(number.canonical, 60, size_bytes=2_000)
    catalog = Catalog(Database(settings.effective_database_url))
    try:
        runs = RunClient(temporal)
        await stack.inject_fault("sealed", number.canonical, documents=[0])
        await runs.start(DownloadRequest(number.canonical), is_over=catalog.runs.has_ended)
        handle = temporal.get_workflow_handle(number.canonical, result_type=RunResult)
        assert (await handle.result()).failed_documents == 1
        documents_page = await catalog.documents.page(number.canonical, limit=100)
        sealed, stored = documents_page[0].id, [document.id for document in documents_page[1:]]
        await mark_pending(settings, number.canonical, stored)
        await stack.end_all_faults()
        await stack.set_latency(3)
        request = DownloadRequest(number.canonical, document_ids=tuple(stored))
        with bound_contextvars(request_id="second-1"):
            first = await runs.start(request, is_over=catalog.runs.has_ended)

        async def is_about_to_continue() -> bool:
            # By now, it starts no further activity and waits for those under way.
            described = await handle.describe()
            return described.run_id == first.run.id and described.history_length > 50

        await eventually(is_about_to_continue, "the first execution is about to continue as new")
        await handle.execute_update(DownloadProcess.widen, DocumentChoice((sealed,)))
        await stack.set_latency(0)

        result = await handle.result()

        assert (result.total_documents, result.available_documents) == (60, 60)
        await wait_for_executions(temporal, number.canonical, 3)
        await assert_every_activity_has_the_ids_of(temporal, number.canonical, RequestTrace("second-1"))
    finally:
        await catalog.close()


async def wait_for_executions(temporal: Client, workflow_id: str, count: int) -> None:
    """Wait until Temporal lists at least so many executions of a workflow, a moment after they have started."""

    async def are_listed() -> bool:
        return len([each async for each in temporal.list_workflows(f"WorkflowId = '{workflow_id}'")]) >= count

    await eventually(are_listed, f"{count} executions of {workflow_id}")


async def assert_every_activity_has_the_ids_of(temporal: Client, number: str, trace: RequestTrace) -> None:
    """Assert that the last execution of a run has the request's ids in its memo and hands them on."""
    handle = temporal.get_workflow_handle(number)
    assert (await (await handle.describe()).memo())["request_id"] == trace.request_id
    scheduled = [
        event.activity_task_scheduled_event_attributes
        for event in (await handle.fetch_history()).events
        if event.HasField("activity_task_scheduled_event_attributes")
    ]
    headers = {activity.header.fields[TRACE_HEADER].data for activity in scheduled}
    assert headers == {trace.to_json()}


async def mark_pending(settings: Settings, number: str, document_ids: list[str]) -> None:
    """Mark stored documents as pending in the catalog."""
    database = Database(settings.effective_database_url)
    async with database.writing() as connection:
        await connection.execute(
            update(documents)
            .where(documents.c.process_number == number, documents.c.id.in_(document_ids))
            .values(status="pending", failed_attempts=0, object_key=None)
        )
    await database.close()


async def test_a_sweep_that_continues_as_new_starts_every_overdue_delivery(
    temporal: Client, settings: Settings, receiver: Receiver
) -> None:
    database = Database(settings.effective_database_url)
    catalog = Catalog(database)
    try:
        path = f"/{uuid4()}"
        event_ids = [
            (await catalog.deliveries.create_test("local", f"{receiver.url}{path}")).id for _ in range(120)
        ]
        async with database.writing() as connection:
            await connection.execute(
                update(deliveries).values(next_attempt_at=datetime.now(UTC) - timedelta(hours=1))
            )

        started = await temporal.execute_workflow(
            "SweepDeliveries", id="sweep", task_queue=PROCESSES_QUEUE, result_type=int
        )

        assert started == 120
        await wait_for_executions(temporal, "sweep", 2)

        received = await receiver.wait_for_events(path, 120)
        assert {event.event_id for event in received} == set(event_ids)
    finally:
        await catalog.close()


async def test_a_paused_run_with_many_signals_continues_as_new_and_stays_paused(
    stack: RunningStack, temporal: Client, settings: Settings
) -> None:
    number = ProcessNumber.parse(fresh_number())
    await stack.create_process(number.canonical, 40, size_bytes=2_000)
    # The pause comes while the run is listing the process.
    await stack.set_latency(3)
    catalog = Catalog(Database(settings.effective_database_url))
    await RunClient(temporal).start(DownloadRequest(number.canonical), is_over=catalog.runs.has_ended)
    await catalog.close()
    run = temporal.get_workflow_handle(number.canonical, result_type=RunResult)
    await run.execute_update(DownloadProcess.pause)

    for _ in range(60):
        await run.signal(DownloadProcess.subscribe)

    await wait_for_executions(temporal, number.canonical, 2)
    described = await run.describe()
    assert described.typed_search_attributes.get(PHASE) == "paused"
    assert described.history_length < 200
    await stack.set_latency(0)
    await run.execute_update(DownloadProcess.resume)
    assert (await run.result()).available_documents == 40
