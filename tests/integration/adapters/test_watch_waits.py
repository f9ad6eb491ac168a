"""Watches: new documents are told once they are stored, whatever the listings in between lack."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from uuid import uuid4

import pytest

from adapters.database import Catalog, Database
from domain.run_messages import RunClosing, RunOpening
from domain.watches import WatchState
from tests.support.listings import document_ids, listing_of, stored_object
from tests.support.looks import (
    CANCELLED,
    COMPLETED,
    NO_ACCESS,
    READER,
    get_watch,
    look,
    read_data,
    read_events,
    watch,
)


async def test_documents_are_told_once_they_are_stored(catalog: Catalog, database: Database, number: str) -> None:
    ids = document_ids(2)
    await look(catalog, number, ids[:1])
    await watch(catalog, number)
    await watch(catalog, number, "operator", download=False)
    await look(catalog, number, ids, hour=1, ending=CANCELLED, stores=False)
    assert await read_events(database, number) == []
    held = await get_watch(catalog, number)
    assert held.next_look_at <= datetime.now(UTC)
    # Whoever wants no downloads is told of the listing.
    [early] = await read_events(database, number, "operator")
    data = await read_data(catalog, early)
    assert data is not None
    assert (data["pending_documents"], data["document_ids"]) == (1, [ids[1]])
    await look(catalog, number, ids, hour=2)
    [told] = await read_events(database, number)
    data = await read_data(catalog, told)
    assert data is not None
    assert (data["available_documents"], data["document_ids"]) == (1, [ids[1]])
    assert await read_events(database, number, "operator") == [early]


async def test_a_document_that_one_short_listing_lacks_is_told_once_it_is_stored(
    catalog: Catalog, database: Database, number: str
) -> None:
    ids = document_ids(3)
    await look(catalog, number, ids[:1])
    await watch(catalog, number)
    await look(catalog, number, ids, hour=1, ending=CANCELLED, stores=False)
    # What came before the one that is missing is told.
    await look(catalog, number, ids[:2], hour=2)
    assert len(await read_events(database, number)) == 1
    await look(catalog, number, ids, hour=3)
    told = [await read_data(catalog, event, READER) for event in await read_events(database, number)]
    assert [(data["available_documents"], data["document_ids"]) for data in told if data] == [
        (1, [ids[1]]),
        (1, [ids[2]]),
    ]


@pytest.mark.parametrize("download", [True, False])
async def test_a_document_that_a_short_listing_lacks_when_others_are_told_is_told_later(
    catalog: Catalog, database: Database, number: str, download: bool
) -> None:
    ids = document_ids(3)
    await look(catalog, number, ids[:1])
    await watch(catalog, number, download=download)
    # The second is stored, and the first is not; or the end of the run is not recorded.
    await catalog.listings.record(listing_of(number, ids, hour=1))
    await catalog.documents.mark_available(number, ids[2], stored_object(number, ids[2]), version=1)
    await look(catalog, number, ids[:2], hour=2)
    await look(catalog, number, ids, hour=3)
    told = [await read_data(catalog, event, READER) for event in await read_events(database, number)]
    assert [data["document_ids"] for data in told if data] == [[ids[1]], [ids[2]]]


async def test_what_the_court_does_not_show_is_not_looked_for_any_sooner(catalog: Catalog, number: str) -> None:
    ids = document_ids(2)
    await look(catalog, number, ids[:1])
    await watch(catalog, number)
    await look(catalog, number, ids, hour=1, ending=CANCELLED, stores=False)
    assert (await get_watch(catalog, number)).next_look_at <= datetime.now(UTC)
    run_id = str(uuid4())
    await catalog.runs.open(RunOpening(number, run_id, "local", is_look=True))
    await catalog.listings.record(replace(listing_of(number, ids[:1]), listed_at=datetime.now(UTC)))
    await catalog.runs.close(RunClosing(number, run_id, COMPLETED))
    assert (await get_watch(catalog, number)).next_look_at > datetime.now(UTC)


async def test_a_document_that_goes_before_it_is_stored_holds_nothing_up_for_longer_than_a_day(
    catalog: Catalog, database: Database, number: str
) -> None:
    ids = document_ids(3)
    await look(catalog, number, ids[:1])
    await watch(catalog, number)
    await look(catalog, number, ids[:2], hour=1, ending=CANCELLED, stores=False)
    await look(catalog, number, [ids[0], ids[2]], hour=2)
    assert await read_events(database, number) == []
    await look(catalog, number, [ids[0], ids[2]], hour=27)
    assert [event.type for event in await read_events(database, number)] == [
        "process.documents_added",
        "process.documents_unlisted",
    ]
    [told] = [await read_data(catalog, event, READER) for event in await read_events(database, number)][:1]
    assert told is not None
    assert told["document_ids"] == [ids[2]]


async def test_what_waits_while_the_court_shows_nothing_is_told_when_it_does_again(
    catalog: Catalog, database: Database, number: str
) -> None:
    ids = document_ids(2)
    await look(catalog, number, ids[:1])
    await watch(catalog, number)
    await look(catalog, number, ids, hour=1, ending=CANCELLED, stores=False)
    await look(catalog, number, None, ending=NO_ACCESS)
    # A reader could see nothing of it now, and would not be told again.
    assert await read_events(database, number) == []
    refused, now = await get_watch(catalog, number), datetime.now(UTC)
    assert (refused.state(now), refused.next_look_at > now) == (WatchState.NO_ACCESS, True)
    await look(catalog, number, ids, hour=2)
    [told] = await read_events(database, number)
    data = await read_data(catalog, told, READER)
    assert data is not None
    assert data["document_ids"] == [ids[1]]
