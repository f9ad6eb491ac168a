"""Bundles in the catalog: requested once, built once, and withheld by what their documents are now."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import uuid4

import pytest
from sqlalchemy import Table, delete, select, update

from adapters.database import Catalog, Database
from adapters.database.tables import documents, instances, processes
from adapters.database.watch_tables import events
from domain.bundle_contents import Omission, OmissionReason
from domain.bundle_selection import BundleFormat, BundleOptions, BundleSelection, select_documents
from domain.bundles import INTERRUPTED, BundleFailure, BundleProgress, BundleState
from domain.clients import ALL_SCOPES, Scope
from domain.delivery_messages import DeliveryRef
from domain.documents import StoredObject
from domain.erasure import Author
from domain.errors import BundleFailureCode, BundleRefused, ProcessErased
from domain.events import ClientEvent
from domain.listings import Party
from domain.secrecy import Secrecy, is_withheld
from domain.webhooks import EVENT_GONE
from tests.support.listings import FIRST_DEGREE, SECOND_DEGREE, document_ids, listing_of, stored_object

READER = frozenset({Scope.READ})
OPTIONS = BundleOptions(BundleFormat.PDF)
OMITTED = Omission(2, "id", "name", OmissionReason.PENDING, "Ainda não.")


def new_client() -> str:
    """Return the name of a client that no other test has."""
    return f"client-{uuid4().hex[:8]}"


async def create_selection(catalog: Catalog, number: str) -> BundleSelection:
    """Create a process with one stored document and one that is pending, and select both."""
    ids = document_ids(2)
    await catalog.listings.record(listing_of(number, ids))
    await catalog.documents.mark_available(number, ids[0], stored_object(number, ids[0]))
    known = await catalog.bundle_builds.list_documents(number)
    return select_documents(number, known, OPTIONS, READER)


def stored_file(selection: BundleSelection, token: str = "a", digest: str = "cd") -> StoredObject:
    """Return the file of a bundle, as one attempt has stored it."""
    key = f"bundles/{selection.process_number}/{selection.id}.{token}.pdf"
    return StoredObject(key, 5000, digest * 32, "application/pdf")


async def record_ready(
    catalog: Catalog, selection: BundleSelection, file: StoredObject | None = None
) -> str | None:
    """Record that a bundle is built. Returns the key of its file."""
    file = file or stored_file(selection)
    return await catalog.bundles.record_ready(
        *(selection.id, selection.process_number, file, BundleProgress(1, 7, 1000), (OMITTED,)), pages=7
    )


async def test_a_bundle_is_requested_once_and_read_as_it_was_built(catalog: Catalog, number: str) -> None:
    selection = await create_selection(catalog, number)
    requests = await asyncio.gather(*(catalog.bundles.request(selection, "local") for _ in range(10)))
    assert {(bundle.id, bundle.state, failed) for bundle, failed in requests} == {
        (selection.id, BundleState.BUILDING, False)
    }
    build = await catalog.bundle_builds.read(selection.id)
    assert build is not None
    assert [(member.place, member.stored is None, member.omitted) for member in build.members] == [
        (0, False, None),
        (1, True, OmissionReason.PENDING),
    ]
    assert (build.facts.total_documents, build.to_convert) == (2, ())
    assert await catalog.bundles.record_progress(selection.id, BundleProgress(1, 0, 1000))
    assert await record_ready(catalog, selection)
    bundle = await catalog.bundles.get(number, selection.id)
    assert bundle is not None
    assert (bundle.state, bundle.pages, bundle.stored, bundle.omitted) == (
        *(BundleState.READY, 7, stored_file(selection)),
        (OMITTED,),
    )
    # A failure that comes late changes nothing.
    await catalog.bundles.record_failure(selection.id, number, BundleFailure(BundleFailureCode.CANCELLED, ""))
    assert await catalog.bundles.get(number, selection.id) == bundle
    assert await catalog.bundle_builds.read(selection.id) is None
    assert await catalog.bundles.get("5000000-11.2020.8.11.0001", selection.id) is None


async def test_a_failed_bundle_is_to_be_built_again_when_it_is_requested(catalog: Catalog, number: str) -> None:
    selection = await create_selection(catalog, number)
    await catalog.bundles.request(selection, "local")
    failure = BundleFailure(BundleFailureCode.SCRATCH_FULL, "full")
    await catalog.bundles.record_failure(selection.id, number, failure)
    failed = await catalog.bundles.get(number, selection.id)
    assert failed is not None
    assert (failed.state, failed.failure) == (BundleState.FAILED, failure)
    again, had_failed = await catalog.bundles.request(selection, "local")
    assert (again.state, again.failure, had_failed) == (BundleState.BUILDING, None, True)


async def test_only_a_bundle_that_is_being_built_takes_a_file(catalog: Catalog, number: str) -> None:
    selection, client = await create_selection(catalog, number), new_client()
    first, second = stored_file(selection), stored_file(selection, "b", "ef")
    await catalog.bundles.request(selection, client)
    await catalog.bundles.subscribe(selection.id, number, client, None)
    kept = {await record_ready(catalog, selection, file) for file in (first, second, first)}
    assert kept == {first.key}
    bundle = await catalog.bundles.get(number, selection.id)
    assert bundle is not None
    assert bundle.stored == first
    assert len(await read_events(catalog, client)) == 1


async def test_one_of_many_attempts_at_once_is_recorded(catalog: Catalog, number: str) -> None:
    selection = await create_selection(catalog, number)
    await catalog.bundles.request(selection, "local")
    files = [stored_file(selection, str(token), f"{token:02x}") for token in range(8)]
    kept = await asyncio.gather(*(record_ready(catalog, selection, file) for file in files))
    bundle = await catalog.bundles.get(number, selection.id)
    assert bundle is not None
    assert bundle.stored in files
    assert set(kept) == {bundle.stored.key}


async def test_a_bundle_that_has_failed_or_is_gone_takes_no_file(catalog: Catalog, number: str) -> None:
    selection = await create_selection(catalog, number)
    assert await record_ready(catalog, selection) is None
    await catalog.bundles.request(selection, "local")
    await catalog.bundles.record_failure(selection.id, number, BundleFailure(BundleFailureCode.CANCELLED, ""))
    assert await record_ready(catalog, selection) is None
    bundle = await catalog.bundles.get(number, selection.id)
    assert bundle is not None
    assert (bundle.state, bundle.stored) == (BundleState.FAILED, None)


@pytest.mark.parametrize("listed", [True, False])
@pytest.mark.parametrize("level", list(Secrecy))
@pytest.mark.parametrize("table", [documents, instances, processes])
async def test_a_bundle_is_as_secret_as_its_strictest_document_is_now(
    catalog: Catalog, database: Database, number: str, table: Table, level: Secrecy, listed: bool
) -> None:
    selection = await create_selection(catalog, number)
    await catalog.bundles.request(selection, "local")
    await record_ready(catalog, selection)
    named = selection.entries[1].document_id
    async with database.writing() as connection:
        where = {
            documents.name: documents.c.id == named,
            instances.name: instances.c.process_number == number,
            processes.name: processes.c.number == number,
        }[table.name]
        await connection.execute(update(table).where(where).values(secrecy=level))
        if not listed:
            now = await catalog.bundle_builds.now()
            # Also the document that the bundle only names.
            await connection.execute(update(documents).where(documents.c.id == named).values(unlisted_at=now))
    bundle = await catalog.bundles.get(number, selection.id)
    assert bundle is not None
    assert is_withheld(bundle, READER) is not (level.is_open and listed)
    assert not is_withheld(bundle, ALL_SCOPES)


@pytest.mark.parametrize("level", [Secrecy.PUBLIC, Secrecy.JUSTICE_SECRET])
async def test_parties_are_on_the_cover_unless_they_are_sealed(
    catalog: Catalog, number: str, level: Secrecy
) -> None:
    [document_id] = document_ids(1)
    parties = (
        Party(FIRST_DEGREE.key, "Conceição Invenção", "ATIVO"),
        Party(FIRST_DEGREE.key, "Banco Fictício", "PASSIVO"),
        # No document of this instance is in the bundle, so none would close it.
        Party(SECOND_DEGREE.key, "Outra Pessoa", "ATIVO"),
    )
    listing = listing_of(number, [document_id], instances=(FIRST_DEGREE, SECOND_DEGREE))
    await catalog.listings.record(replace(listing, secrecy=level, parties=parties))
    await catalog.documents.mark_available(number, document_id, stored_object(number, document_id))
    known = await catalog.bundle_builds.list_documents(number)
    selection = select_documents(number, known, OPTIONS, ALL_SCOPES)
    await catalog.bundles.request(selection, "local")
    build = await catalog.bundle_builds.read(selection.id)
    assert build is not None
    named = [(party.role, party.name) for party in build.facts.parties]
    is_open = level is Secrecy.PUBLIC
    assert named == ([("Polo ativo", "Conceição Invenção"), ("Polo passivo", "Banco Fictício")] if is_open else [])


@pytest.mark.parametrize("is_current", [True, False])
async def test_class_and_court_units_are_as_closed_as_their_instances(
    catalog: Catalog, number: str, is_current: bool
) -> None:
    [document_id] = document_ids(1)
    opened = replace(FIRST_DEGREE, current=not is_current, court_unit="1ª Vara Cível")
    sealed = replace(
        SECOND_DEGREE, current=is_current, secrecy=Secrecy.JUSTICE_SECRET, court_unit="Câmara de Família"
    )
    listing = listing_of(number, [document_id], instances=(opened, sealed))
    await catalog.listings.record(replace(listing, class_name="Divórcio Litigioso"))
    await catalog.documents.mark_available(number, document_id, stored_object(number, document_id))
    known = await catalog.bundle_builds.list_documents(number)
    selection = select_documents(number, known, OPTIONS, READER)
    await catalog.bundles.request(selection, "local")
    build = await catalog.bundle_builds.read(selection.id)
    assert build is not None
    assert build.facts.class_name == (None if is_current else "Divórcio Litigioso")
    assert build.facts.court_units == ("1ª Vara Cível",)


async def read_events(catalog: Catalog, client: str) -> list[ClientEvent]:
    """Return the events of a client."""
    return list((await catalog.events.page(client, after=0, limit=100)).events)


async def test_each_subscriber_is_told_once_whenever_it_subscribes(catalog: Catalog, number: str) -> None:
    selection, client = await create_selection(catalog, number), new_client()
    await catalog.bundles.request(selection, client)

    async def subscribe(path: str) -> DeliveryRef | None:
        return await catalog.bundles.subscribe(selection.id, number, client, f"https://example.org/{path}")

    assert await subscribe("a") is None
    assert await subscribe("a") is None
    assert await catalog.bundles.list_deliveries(selection.id, after=0) == ()
    assert await read_events(catalog, client) == []
    await asyncio.gather(record_ready(catalog, selection), record_ready(catalog, selection))
    [early] = await catalog.bundles.list_deliveries(selection.id, after=0)
    late = await subscribe("b")
    assert late is not None
    assert await subscribe("b") is None
    assert await catalog.bundles.list_deliveries(selection.id, after=0) == (early, late)
    told = await read_events(catalog, client)
    assert [(event.id, event.type, event.process_number, event.run_id, event.details) for event in told] == [
        (delivery.id, "bundle.ready", number, None, {"bundle_id": selection.id}) for delivery in (early, late)
    ]
    event = await catalog.deliveries.get_event(early.id)
    assert event is not None
    assert (event.delivery.event_type, event.run, event.details) == ("bundle.ready", None, told[0].details)
    assert event.delivery.created_at == told[0].created_at


async def test_without_a_webhook_the_event_is_in_the_list_alone(catalog: Catalog, number: str) -> None:
    selection = await create_selection(catalog, number)
    early, late, both = (new_client() for _ in range(3))
    await catalog.bundles.request(selection, early)
    for client in (early, early, both):
        assert await catalog.bundles.subscribe(selection.id, number, client, None) is None
    await catalog.bundles.subscribe(selection.id, number, both, "https://example.org/a")
    await record_ready(catalog, selection)
    await record_ready(catalog, selection)
    for client in (late, late, both):
        assert await catalog.bundles.subscribe(selection.id, number, client, None) is None
    told = [await read_events(catalog, client) for client in (early, late, both)]
    assert [len(found) for found in told] == [1, 1, 1]
    # Whoever has a webhook has its event alone.
    deliveries = await catalog.bundles.list_deliveries(selection.id, after=0)
    assert [delivery.id for delivery in deliveries] == [told[2][0].id]


async def test_a_failure_is_told_once_and_the_end_of_the_next_build_too(catalog: Catalog, number: str) -> None:
    selection = await create_selection(catalog, number)
    clients, failure = (new_client(), new_client()), BundleFailure(BundleFailureCode.SCRATCH_FULL, "full")

    async def fail() -> None:
        await catalog.bundles.record_failure(selection.id, number, failure)

    for _ in range(2):
        await catalog.bundles.request(selection, clients[0])
        for client, url in zip(clients, ("https://example.org/a", None), strict=True):
            assert await catalog.bundles.subscribe(selection.id, number, client, url) is None
        await asyncio.gather(fail(), fail())
        [delivery] = await catalog.bundles.list_deliveries(selection.id, after=0)
        assert delivery.id == (await read_events(catalog, clients[0]))[-1].id
    # Whoever subscribes to a build that has just failed is told at once.
    assert await catalog.bundles.subscribe(selection.id, number, clients[0], "https://example.org/b") is not None
    # Another client has it built.
    await catalog.bundles.request(selection, "local")
    await record_ready(catalog, selection)
    for client, ends in zip(clients, (3, 2), strict=True):
        told = await read_events(catalog, client)
        types = ["bundle.failed"] * ends + ["bundle.ready"] * (ends - 1)
        assert [event.type for event in told] == types
        assert len({event.id for event in told}) == len(told)


async def test_a_build_that_was_killed_is_not_failed_once_it_was_requested_again(
    catalog: Catalog, number: str
) -> None:
    selection = await create_selection(catalog, number)
    await catalog.bundles.request(selection, "local")
    before = await catalog.bundle_builds.now() + timedelta(minutes=1)
    await catalog.bundles.request(selection, "local")

    async def fail(moment: datetime) -> bool:
        return await catalog.bundles.record_failure(selection.id, number, INTERRUPTED, requested_before=moment)

    assert not await fail(before - timedelta(hours=1))
    assert await fail(before)
    assert not await fail(before)


async def test_a_bundle_that_was_deleted_is_told_anew_when_it_is_built_again(catalog: Catalog, number: str) -> None:
    selection, clients = await create_selection(catalog, number), (new_client(), new_client())
    for _ in range(2):
        for client, url in zip(clients, ("https://example.org/a", None), strict=True):
            await catalog.bundles.request(selection, client)
            await catalog.bundles.subscribe(selection.id, number, client, url)
        await record_ready(catalog, selection)
        await catalog.bundles.delete(selection.id)
    for client in clients:
        assert len({event.id for event in await read_events(catalog, client)}) == 2


async def test_nothing_of_an_erased_process_is_bundled(catalog: Catalog, number: str) -> None:
    selection = await create_selection(catalog, number)
    await catalog.bundles.request(selection, "local")
    await catalog.bundles.subscribe(selection.id, number, "local", "https://example.org/a")
    await catalog.erasures.request(number, Author("local", None), None)
    for refused in (
        catalog.bundles.request(selection, "local"),
        catalog.bundle_builds.list_documents(number),
        catalog.bundle_builds.read(selection.id),
        record_ready(catalog, selection),
        catalog.bundles.record_failure(selection.id, number, BundleFailure(BundleFailureCode.CANCELLED, "")),
        catalog.bundles.subscribe(selection.id, number, "local", "https://example.org/b"),
        catalog.bundles.get(number, "0" * 64),
    ):
        with pytest.raises(ProcessErased):
            await refused
    await catalog.erased_rows.erase_all(number)
    assert await catalog.bundles.list_ids(number) == []
    erasure = await catalog.erasures.complete(number)
    assert erasure is not None
    assert erasure.completed_at is not None


async def test_a_webhook_whose_event_is_no_longer_kept_is_not_sent(
    catalog: Catalog, database: Database, number: str
) -> None:
    selection = await create_selection(catalog, number)
    await catalog.bundles.request(selection, "local")
    await catalog.bundles.subscribe(selection.id, number, "local", "https://example.org/a")
    await record_ready(catalog, selection)
    [delivery] = await catalog.bundles.list_deliveries(selection.id, after=0)
    before = await catalog.deliveries.get_event(delivery.id)
    async with database.writing() as connection:
        await connection.execute(delete(events).where(events.c.id == delivery.id))
    after = await catalog.deliveries.get_event(delivery.id)
    assert before is not None
    assert after is not None
    assert (before.refusal == EVENT_GONE, after.refusal == EVENT_GONE) == (False, True)


async def test_an_erasure_takes_the_events_of_bundles(catalog: Catalog, database: Database, number: str) -> None:
    selection, client = await create_selection(catalog, number), new_client()
    await catalog.bundles.request(selection, client)
    await catalog.bundles.subscribe(selection.id, number, client, None)
    await record_ready(catalog, selection)
    assert len(await read_events(catalog, client)) == 1
    await catalog.erasures.request(number, Author("local", None), None)
    assert await read_events(catalog, client) == []
    await catalog.erased_rows.erase_all(number)
    async with database.reading() as connection:
        assert (await connection.scalars(select(events.c.id).where(events.c.process_number == number))).all() == []


async def test_a_document_that_is_no_longer_stored_as_it_was_refuses_the_build(
    catalog: Catalog, number: str
) -> None:
    selection = await create_selection(catalog, number)
    changed = replace(selection.entries[0], sha256="ef" * 32)
    selection = replace(selection, entries=(changed, selection.entries[1]))
    await catalog.bundles.request(selection, "local")
    with pytest.raises(BundleRefused) as refused:
        await catalog.bundle_builds.read(selection.id)
    assert refused.value.code is BundleFailureCode.SOURCE_DAMAGED
