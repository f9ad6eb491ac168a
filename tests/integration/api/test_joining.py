"""Races between a download request and the open run that it joins.

Temporal has no workers here, so nothing happens by itself: each test decides what the run records and when it ends.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.testing import WorkflowEnvironment

from adapters.database import Catalog, Database
from adapters.database.migrate import upgrade
from adapters.temporal import errors, run_client
from adapters.temporal.run_client import RunClient
from adapters.webhooks import AddressGuard
from api.services.downloads import DownloadDecision, DownloadService
from domain.completeness import Decision, Outcome
from domain.fair_semaphore import FairSemaphore
from domain.process_number import ProcessNumber
from domain.run_messages import DownloadRequest, RunClosing, RunEnding, RunOpening
from domain.webhook_urls import WebhookPolicy
from domain.webhooks import Delivery, EventType
from tests.support.conditions import eventually
from tests.support.listings import document_ids, listing_of, stored_object
from tests.support.numbers import fresh_number
from workflows.search_attributes import SEARCH_ATTRIBUTES

URL = "http://127.0.0.1:9/hook"


@pytest.fixture(scope="module")
async def temporal() -> AsyncIterator[Client]:
    """A Temporal dev server without workers: runs make no progress."""
    environment = await WorkflowEnvironment.start_local(
        dev_server_existing_path=str(Path(sys.executable).parent / "temporal"), search_attributes=SEARCH_ATTRIBUTES
    )
    async with environment:
        yield environment.client


@pytest.fixture(autouse=True)
def patient_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for Temporal longer than the API has its clients wait: a loaded machine may need it."""
    monkeypatch.setattr(errors, "TOTAL_TIMEOUT_SECONDS", 60.0)
    monkeypatch.setattr(run_client, "CALL_TIMEOUT", timedelta(seconds=60))


@pytest.fixture
async def catalog(tmp_path: Path) -> AsyncIterator[Catalog]:
    """An empty catalog."""
    url = f"sqlite+aiosqlite:///{tmp_path / 'autos.db'}"
    await asyncio.to_thread(upgrade, url)
    catalog = Catalog(Database(url))
    yield catalog
    await catalog.close()


@pytest.fixture
def downloads(catalog: Catalog, temporal: Client) -> DownloadService:
    """The download service on this catalog and Temporal."""
    address_guard = AddressGuard(WebhookPolicy(allow_http=True, allow_private=True))
    return DownloadService(catalog, RunClient(temporal), address_guard, timedelta(days=1))


@pytest.fixture
def number() -> ProcessNumber:
    """A process that no other test uses."""
    return ProcessNumber.parse(fresh_number())


async def request_download(
    downloads: DownloadService, number: ProcessNumber, client: str = "local"
) -> DownloadDecision:
    """Request a download with a webhook."""
    return await downloads.request(number, client, webhook_url=URL)


async def start_run_of_other_client(catalog: Catalog, temporal: Client, number: ProcessNumber) -> str:
    """Start a run for another client, recorded in the catalog as its worker would. Return its id."""
    started = await RunClient(temporal).start(
        DownloadRequest(number.canonical, "other"), is_over=catalog.runs.has_ended
    )
    assert started.decision is Decision.STARTED
    await catalog.runs.open(RunOpening(number.canonical, started.run.id, "other"))
    return started.run.id


async def close_run(
    catalog: Catalog, number: ProcessNumber, run_id: str, outcome: Outcome = Outcome.COMPLETED
) -> int:
    """Record the end of a run. Return the number of deliveries that it creates."""
    closing = RunClosing(number.canonical, run_id, RunEnding(outcome), execution=run_id)
    return len((await catalog.runs.close(closing)).deliveries)


async def terminate_open_run(temporal: Client, number: ProcessNumber) -> None:
    """Terminate the open run in Temporal."""
    await temporal.get_workflow_handle(number.canonical).terminate()


async def list_deliveries_of(catalog: Catalog, client: str = "local") -> list[Delivery]:
    """Return a client's deliveries, oldest first."""
    return [logged.delivery for logged in reversed(await catalog.deliveries.log.page(client, limit=50))]


@asynccontextmanager
async def request_waiting_for_lock(
    downloads: DownloadService, number: ProcessNumber
) -> AsyncIterator[asyncio.Task[DownloadDecision]]:
    """Yield a request that has read the catalog and waits for the start lock until the block ends."""
    lock = downloads._start_locks.setdefault(number.canonical, FairSemaphore(1))
    async with lock.slot():
        request = asyncio.create_task(request_download(downloads, number))

        async def is_waiting() -> bool:
            return bool(lock._slots._waiters)

        await eventually(is_waiting, "the request waits for the lock")
        yield request


async def test_run_that_completes_while_being_joined_is_not_followed_by_another(
    catalog: Catalog,
    temporal: Client,
    downloads: DownloadService,
    number: ProcessNumber,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ending_id = await start_run_of_other_client(catalog, temporal, number)
    has_ended = catalog.runs.has_ended

    async def end_before_check(run_id: str) -> bool:
        # Between the request's last read of the catalog and its joining the run.
        await catalog.listings.record(listing_of(number.canonical, document_ids(0)))
        await close_run(catalog, number, ending_id)
        return await has_ended(run_id)

    monkeypatch.setattr(catalog.runs, "has_ended", end_before_check)

    decision = await request_download(downloads, number)

    assert (decision.decision, decision.open_run) == (Decision.ACTIVE, None)
    assert [delivery.run_id for delivery in await list_deliveries_of(catalog)] == [ending_id]
    # The list of workflows knows of a run only a while later. No other one starts while this one is open.
    open_run = await temporal.get_workflow_handle(number.canonical).describe()
    assert (open_run.run_id, open_run.status) == (ending_id, WorkflowExecutionStatus.RUNNING)
    await terminate_open_run(temporal, number)


async def test_request_after_the_recorded_end_starts_its_own_run_once_temporal_closes_the_old_one(
    catalog: Catalog, temporal: Client, downloads: DownloadService, number: ProcessNumber
) -> None:
    ending_id = await start_run_of_other_client(catalog, temporal, number)
    await close_run(catalog, number, ending_id, Outcome.CANCELLED)

    request = asyncio.create_task(request_download(downloads, number))
    await asyncio.wait({request}, timeout=0.2)
    # That run takes no more documents: a request that joined it would wait for nothing.
    assert not request.done()
    await terminate_open_run(temporal, number)
    decision = await request

    assert decision.decision is Decision.STARTED
    assert decision.open_run is not None
    assert decision.open_run.id != ending_id
    assert await list_deliveries_of(catalog) == []
    assert await close_run(catalog, number, decision.open_run.id) == 1


async def test_request_overtaken_by_the_end_of_a_complete_run_is_notified_of_that_run(
    catalog: Catalog, temporal: Client, downloads: DownloadService, number: ProcessNumber
) -> None:
    run_id = await start_run_of_other_client(catalog, temporal, number)
    async with request_waiting_for_lock(downloads, number) as request:
        [document_id] = document_ids(1)
        await catalog.listings.record(listing_of(number.canonical, [document_id]))
        stored = stored_object(number.canonical, document_id)
        await catalog.documents.mark_available(number.canonical, document_id, stored)
        assert await close_run(catalog, number, run_id) == 0
        await terminate_open_run(temporal, number)
    assert (await request).decision is Decision.ACTIVE
    [delivery] = await list_deliveries_of(catalog)
    assert (delivery.run_id, delivery.event_type) == (run_id, EventType.PROCESS_COMPLETED)
    # A workflow is sending it.
    await temporal.get_workflow_handle(f"webhook-{delivery.id}").describe()


async def test_request_overtaken_by_the_end_of_a_cancelled_run_starts_another(
    catalog: Catalog, temporal: Client, downloads: DownloadService, number: ProcessNumber
) -> None:
    run_id = await start_run_of_other_client(catalog, temporal, number)
    async with request_waiting_for_lock(downloads, number) as request:
        await catalog.listings.record(listing_of(number.canonical, document_ids(2)))
        await close_run(catalog, number, run_id, Outcome.CANCELLED)
        await terminate_open_run(temporal, number)
    decision = await request
    assert decision.decision is Decision.STARTED
    assert decision.open_run is not None
    assert await close_run(catalog, number, decision.open_run.id) == 1


async def test_full_run_notifies_its_own_request_only_after_a_run_for_chosen_documents(
    catalog: Catalog, temporal: Client, downloads: DownloadService, number: ProcessNumber
) -> None:
    ids = document_ids(2)
    await catalog.listings.record(listing_of(number.canonical, ids))
    chosen = await downloads.request(number, "local", webhook_url=URL, document_ids=ids[:1])
    assert chosen.open_run is not None
    async with request_waiting_for_lock(downloads, number) as request:
        await close_run(catalog, number, chosen.open_run.id)
        await terminate_open_run(temporal, number)
    full = await request
    assert full.decision is Decision.STARTED
    assert full.open_run is not None
    await close_run(catalog, number, full.open_run.id)
    # Same URL and client: one delivery for each of the two requests.
    assert [delivery.run_id for delivery in await list_deliveries_of(catalog)] == [
        chosen.open_run.id,
        full.open_run.id,
    ]


async def test_two_clients_with_one_url_join_the_same_run_and_are_both_notified(
    catalog: Catalog, temporal: Client, downloads: DownloadService, number: ProcessNumber
) -> None:
    decisions = await asyncio.gather(
        *(request_download(downloads, number, client) for client in ("one", "two", "one"))
    )
    assert sorted(decision.decision for decision in decisions) == [
        Decision.ACTIVE,
        Decision.ACTIVE,
        Decision.STARTED,
    ]
    [run_id] = {decision.open_run.id for decision in decisions if decision.open_run}
    # Joining sends nothing to the run, so its history does not grow with the number of requests.
    assert (await temporal.get_workflow_handle(number.canonical).describe()).history_length == 2
    assert await close_run(catalog, number, run_id) == 2
    assert [len(await list_deliveries_of(catalog, client)) for client in ("one", "two")] == [1, 1]


async def test_request_lost_before_its_run_is_recorded_can_be_repeated(
    catalog: Catalog, temporal: Client, downloads: DownloadService, number: ProcessNumber
) -> None:
    # As if the API crashed right after starting the run: the catalog has no record of it.
    started = await RunClient(temporal).start(DownloadRequest(number.canonical), is_over=catalog.runs.has_ended)
    assert await list_deliveries_of(catalog) == []
    again = await request_download(downloads, number)
    assert (again.decision, again.open_run and again.open_run.id) == (Decision.ACTIVE, started.run.id)
    assert await close_run(catalog, number, started.run.id) == 1


async def test_next_run_notifies_the_subscribers_of_a_terminated_run(
    catalog: Catalog, temporal: Client, downloads: DownloadService, number: ProcessNumber
) -> None:
    killed = await request_download(downloads, number, "first")
    await terminate_open_run(temporal, number)
    following = await request_download(downloads, number, "second")
    assert following.decision is Decision.STARTED
    assert following.open_run is not None
    await catalog.runs.open(RunOpening(number.canonical, following.open_run.id, "second"))
    [delivery] = await list_deliveries_of(catalog, "first")
    assert killed.open_run is not None
    assert (delivery.run_id, delivery.event_type) == (killed.open_run.id, EventType.PROCESS_CANCELLED)
    assert await list_deliveries_of(catalog, "second") == []


async def test_request_joins_the_run_open_in_temporal_not_the_latest_run_of_the_catalog(
    catalog: Catalog, temporal: Client, downloads: DownloadService, number: ProcessNumber
) -> None:
    # After a reset in Temporal or a restored backup, the catalog's latest run is not the open one.
    await catalog.runs.open(RunOpening(number.canonical, str(uuid4()), "other"))
    started = await RunClient(temporal).start(
        DownloadRequest(number.canonical, "other"), is_over=catalog.runs.has_ended
    )
    joined = await request_download(downloads, number)
    assert joined.open_run is not None
    assert (joined.decision, joined.open_run.id) == (Decision.ACTIVE, started.run.id)
    assert await close_run(catalog, number, started.run.id) == 1


async def test_joined_run_is_in_the_catalog_when_its_request_is_answered(
    catalog: Catalog, temporal: Client, downloads: DownloadService, number: ProcessNumber
) -> None:
    # Somebody else, such as a batch, has started it a moment ago and has not recorded it yet.
    for _ in range(2):
        started = await RunClient(temporal).start(
            DownloadRequest(number.canonical, "other"), is_over=catalog.runs.has_ended
        )
        joined = await request_download(downloads, number)
        assert joined.decision is Decision.ACTIVE
        for process in (joined.process, await catalog.processes.get(number.canonical)):
            assert process is not None
            assert process.latest_run is not None
            assert (process.latest_run.id, process.latest_run.outcome) == (started.run.id, None)
        await close_run(catalog, number, started.run.id)
        await terminate_open_run(temporal, number)
