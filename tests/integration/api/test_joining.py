"""A request and the run that it waits for, at every moment at which one could miss the other.

Temporal has no workers here, so nothing happens by itself: each test decides what the run says, and when it ends.
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
from temporalio.client import Client
from temporalio.testing import WorkflowEnvironment

from adapters.database import Catalog, Database
from adapters.database.migrate import upgrade
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
    """A Temporal whose runs stay where they are."""
    environment = await WorkflowEnvironment.start_local(
        dev_server_existing_path=str(Path(sys.executable).parent / "temporal"), search_attributes=SEARCH_ATTRIBUTES
    )
    async with environment:
        yield environment.client


@pytest.fixture
async def catalog(tmp_path: Path) -> AsyncIterator[Catalog]:
    """A catalog of its own."""
    url = f"sqlite+aiosqlite:///{tmp_path / 'autos.db'}"
    await asyncio.to_thread(upgrade, url)
    catalog = Catalog(Database(url))
    yield catalog
    await catalog.close()


@pytest.fixture
def downloads(catalog: Catalog, temporal: Client) -> DownloadService:
    """The decision behind every request."""
    address_guard = AddressGuard(WebhookPolicy(allow_http=True, allow_private=True))
    return DownloadService(catalog, RunClient(temporal), address_guard, timedelta(days=1))


@pytest.fixture
def number() -> ProcessNumber:
    """A process that no other test uses."""
    return ProcessNumber.parse(fresh_number())


async def ask(downloads: DownloadService, number: ProcessNumber, client: str = "local") -> DownloadDecision:
    """Ask for a download, and to be told."""
    return await downloads.request(number, client, webhook_url=URL)


async def start_elsewhere(catalog: Catalog, temporal: Client, number: ProcessNumber) -> str:
    """Have another client's run be open, of which its worker has told the catalog; gives its id."""
    started = await RunClient(temporal).start(
        DownloadRequest(number.canonical, "other"), is_over=catalog.runs.has_ended
    )
    assert started.decision is Decision.STARTED
    await catalog.runs.open(RunOpening(number.canonical, started.run.id, "other"))
    return started.run.id


async def close(catalog: Catalog, number: ProcessNumber, run_id: str, outcome: Outcome = Outcome.COMPLETED) -> int:
    """Have a run say how it ended; gives how many it tells."""
    closing = RunClosing(number.canonical, run_id, RunEnding(outcome), execution=run_id)
    return len((await catalog.runs.close(closing)).deliveries)


async def end(temporal: Client, number: ProcessNumber) -> None:
    """Have Temporal close whatever run is open."""
    await temporal.get_workflow_handle(number.canonical).terminate()


async def told(catalog: Catalog, client: str = "local") -> list[Delivery]:
    """What a client is told, the first first."""
    return [logged.delivery for logged in reversed(await catalog.deliveries.log.page(client, limit=50))]


@asynccontextmanager
async def held_up(
    downloads: DownloadService, number: ProcessNumber
) -> AsyncIterator[asyncio.Task[DownloadDecision]]:
    """A request that has read the catalog, and waits for its turn to start or join until the block ends."""
    turns = downloads._start_locks.setdefault(number.canonical, FairSemaphore(1))
    async with turns.slot():
        request = asyncio.create_task(ask(downloads, number))

        async def waits() -> bool:
            return bool(turns._slots._waiters)

        await eventually(waits, "the request waits for its turn")
        yield request


async def test_a_run_that_ends_while_it_is_being_joined_and_has_done_it_all_is_not_followed_by_another(
    catalog: Catalog,
    temporal: Client,
    downloads: DownloadService,
    number: ProcessNumber,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ending = await start_elsewhere(catalog, temporal, number)
    is_over = catalog.runs.has_ended

    async def ends_now(run_id: str) -> bool:
        # Between the request's last look at the catalog and its joining the run.
        await catalog.listings.record(listing_of(number.canonical, document_ids(0)))
        await close(catalog, number, ending)
        return await is_over(run_id)

    monkeypatch.setattr(catalog.runs, "has_ended", ends_now)

    decision = await ask(downloads, number)

    assert (decision.decision, decision.open_run) == (Decision.ACTIVE, None)
    assert [delivery.run_id for delivery in await told(catalog)] == [ending]
    assert len([run async for run in temporal.list_workflows(f"WorkflowId = '{number}'")]) == 1
    await end(temporal, number)


async def test_who_joins_between_the_end_and_its_completion_gets_a_run_of_its_own(
    catalog: Catalog, temporal: Client, downloads: DownloadService, number: ProcessNumber
) -> None:
    ending = await start_elsewhere(catalog, temporal, number)
    await close(catalog, number, ending, Outcome.CANCELLED)

    request = asyncio.create_task(ask(downloads, number))
    await asyncio.wait({request}, timeout=0.2)
    # That run takes no document any more: to join it would be to wait for nothing.
    assert not request.done()
    await end(temporal, number)
    decision = await request

    assert decision.decision is Decision.STARTED
    assert decision.open_run is not None
    assert decision.open_run.id != ending
    assert await told(catalog) == []
    assert await close(catalog, number, decision.open_run.id) == 1


async def test_who_is_overtaken_by_the_end_of_the_open_run_is_told_of_it(
    catalog: Catalog, temporal: Client, downloads: DownloadService, number: ProcessNumber
) -> None:
    run_id = await start_elsewhere(catalog, temporal, number)
    async with held_up(downloads, number) as request:
        [document_id] = document_ids(1)
        await catalog.listings.record(listing_of(number.canonical, [document_id]))
        stored = stored_object(number.canonical, document_id)
        await catalog.documents.mark_available(number.canonical, document_id, stored)
        assert await close(catalog, number, run_id) == 0
        await end(temporal, number)
    assert (await request).decision is Decision.ACTIVE
    [delivery] = await told(catalog)
    assert (delivery.run_id, delivery.event_type) == (run_id, EventType.PROCESS_COMPLETED)
    # Somebody is on the way with it.
    await temporal.get_workflow_handle(f"webhook-{delivery.id}").describe()


async def test_who_is_overtaken_by_a_run_that_did_not_do_what_is_asked_starts_another(
    catalog: Catalog, temporal: Client, downloads: DownloadService, number: ProcessNumber
) -> None:
    run_id = await start_elsewhere(catalog, temporal, number)
    async with held_up(downloads, number) as request:
        await catalog.listings.record(listing_of(number.canonical, document_ids(2)))
        await close(catalog, number, run_id, Outcome.CANCELLED)
        await end(temporal, number)
    decision = await request
    assert decision.decision is Decision.STARTED
    assert decision.open_run is not None
    assert await close(catalog, number, decision.open_run.id) == 1


async def test_a_run_for_chosen_documents_that_ends_is_told_of_by_no_run_for_all(
    catalog: Catalog, temporal: Client, downloads: DownloadService, number: ProcessNumber
) -> None:
    ids = document_ids(2)
    await catalog.listings.record(listing_of(number.canonical, ids))
    for_one = await downloads.request(number, "local", webhook_url=URL, document_ids=ids[:1])
    assert for_one.open_run is not None
    async with held_up(downloads, number) as request:
        await close(catalog, number, for_one.open_run.id)
        await end(temporal, number)
    for_all = await request
    assert for_all.decision is Decision.STARTED
    assert for_all.open_run is not None
    await close(catalog, number, for_all.open_run.id)
    # The same address and client: once for each of its two requests.
    assert [one.run_id for one in await told(catalog)] == [for_one.open_run.id, for_all.open_run.id]


async def test_two_clients_with_one_address_join_the_same_run_and_are_both_told(
    catalog: Catalog, temporal: Client, downloads: DownloadService, number: ProcessNumber
) -> None:
    decisions = await asyncio.gather(*(ask(downloads, number, client) for client in ("one", "two", "one")))
    assert sorted(one.decision for one in decisions) == [Decision.ACTIVE, Decision.ACTIVE, Decision.STARTED]
    [run_id] = {one.open_run.id for one in decisions if one.open_run}
    # However many join: the run need not be told, and its history does not grow.
    assert (await temporal.get_workflow_handle(number.canonical).describe()).history_length == 2
    assert await close(catalog, number, run_id) == 2
    assert [len(await told(catalog, client)) for client in ("one", "two")] == [1, 1]


async def test_a_request_that_dies_before_its_run_is_known_leaves_nothing_and_can_be_repeated(
    catalog: Catalog, temporal: Client, downloads: DownloadService, number: ProcessNumber
) -> None:
    # As by an API that dies between the start and everything that follows: the catalog has heard of nothing.
    started = await RunClient(temporal).start(DownloadRequest(number.canonical), is_over=catalog.runs.has_ended)
    assert await told(catalog) == []
    again = await ask(downloads, number)
    assert (again.decision, again.open_run and again.open_run.id) == (Decision.ACTIVE, started.run.id)
    assert await close(catalog, number, started.run.id) == 1


async def test_who_waits_for_a_run_that_is_killed_is_told_by_the_next_one(
    catalog: Catalog, temporal: Client, downloads: DownloadService, number: ProcessNumber
) -> None:
    killed = await ask(downloads, number, "first")
    await end(temporal, number)
    following = await ask(downloads, number, "second")
    assert following.decision is Decision.STARTED
    assert following.open_run is not None
    await catalog.runs.open(RunOpening(number.canonical, following.open_run.id, "second"))
    [delivery] = await told(catalog, "first")
    assert killed.open_run is not None
    assert (delivery.run_id, delivery.event_type) == (killed.open_run.id, EventType.PROCESS_CANCELLED)
    assert await told(catalog, "second") == []


async def test_a_run_that_the_catalog_has_from_elsewhere_is_not_taken_for_the_open_one(
    catalog: Catalog, temporal: Client, downloads: DownloadService, number: ProcessNumber
) -> None:
    # Reset in Temporal, or restored from a backup: the latest run of the catalog is not what is open.
    await catalog.runs.open(RunOpening(number.canonical, str(uuid4()), "other"))
    started = await RunClient(temporal).start(
        DownloadRequest(number.canonical, "other"), is_over=catalog.runs.has_ended
    )
    joined = await ask(downloads, number)
    assert joined.open_run is not None
    assert (joined.decision, joined.open_run.id) == (Decision.ACTIVE, started.run.id)
    assert await close(catalog, number, started.run.id) == 1
