"""Watches: what the ends of runs tell the watchers, and when the next look is."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from adapters.database import Catalog, Database
from domain.cases import movement_key
from domain.clients import Scope
from domain.completeness import Outcome
from domain.errors import FailureCode
from domain.listings import ListedMovement
from domain.run_messages import RunClosing, RunEnding, RunOpening
from domain.secrecy import Secrecy
from domain.watch_messages import DueLook
from domain.watches import WatchNotify, WatchState
from tests.support.listings import FIRST_DEGREE, document_ids, listed, listing_of, stored_object
from tests.support.looks import (
    CANCELLED,
    COMPLETED,
    HOUR,
    NO_ACCESS,
    READER,
    get_watch,
    look,
    make_due,
    read_data,
    read_events,
    watch,
)
from tests.support.statements import statements


async def test_what_the_first_listing_shows_is_not_new(catalog: Catalog, database: Database, number: str) -> None:
    await watch(catalog, number)
    await look(catalog, number, document_ids(3))
    assert await read_events(database, number) == []
    looked_at = await get_watch(catalog, number)
    assert looked_at.last_checked_at == listing_of(number, []).listed_at
    assert looked_at.state(datetime.now(UTC)) is WatchState.ACTIVE


async def test_a_new_document_is_told_once_with_its_state(
    catalog: Catalog, database: Database, number: str
) -> None:
    ids = document_ids(3)
    await look(catalog, number, ids[:2])
    await watch(catalog, number)
    await look(catalog, number, ids, hour=1)
    [told] = await read_events(database, number)
    data = await read_data(catalog, told)
    assert data is not None
    assert data["document_ids"] == [ids[2]]
    counts = {name: data[f"{name}_documents"] for name in ("added", "available", "pending", "failed", "no_content")}
    assert counts == {"added": 1, "available": 1, "pending": 0, "failed": 0, "no_content": 0}
    assert data["changes_url"] == f"https://autos.example.org/processes/{number}/changes?after=0"
    await look(catalog, number, ids, hour=2)
    assert await read_events(database, number) == [told]


async def test_with_always_every_look_is_told(catalog: Catalog, database: Database, number: str) -> None:
    ids = document_ids(2)
    await look(catalog, number, ids[:1])
    await watch(catalog, number, notify=WatchNotify.ALWAYS)
    for hour, listed_ids in enumerate((ids[:1], ids, ids), start=1):
        await look(catalog, number, listed_ids, hour=hour)
    told = await read_events(database, number)
    checked, added = "watch.checked", "process.documents_added"
    assert [event.type for event in told] == [checked, added, checked, checked]
    data = await read_data(catalog, told[-1])
    assert data is not None
    assert (data["checked_at"], data["failure_code"]) == ("2026-03-01T15:00:00Z", None)
    # A listing that was told of already: the run has found out nothing.
    await look(catalog, number, None, ending=CANCELLED)
    assert len(await read_events(database, number)) == 4


async def test_a_run_that_was_killed_tells_what_it_has_listed(
    catalog: Catalog, database: Database, number: str
) -> None:
    ids = document_ids(2)
    await look(catalog, number, ids[:1])
    await watch(catalog, number)
    run_id = str(uuid4())
    await catalog.runs.open(RunOpening(number, run_id, "local", is_look=True))
    await catalog.listings.record(listing_of(number, ids, hour=1))
    await catalog.documents.mark_available(number, ids[1], stored_object(number, ids[1]), version=1)
    await catalog.runs.close_killed(run_id)
    await catalog.runs.close_killed(run_id)
    assert [event.type for event in await read_events(database, number)] == ["process.documents_added"]


async def test_the_deliveries_of_a_run_include_those_to_watchers(
    catalog: Catalog, database: Database, number: str
) -> None:
    ids = document_ids(2)
    await look(catalog, number, ids[:1])
    await watch(catalog, number, webhook_url="https://example.com/watch", notify=WatchNotify.ALWAYS)
    closed = await look(catalog, number, ids, hour=1)
    told = await read_events(database, number)
    assert [delivery.id for delivery in closed.deliveries] == [event.id for event in told]
    for delivery, event in zip(closed.deliveries, told, strict=True):
        found = await catalog.deliveries.get_event(delivery.id)
        assert found is not None
        assert (found.refusal, found.run, found.details) == (None, None, event.details)


async def test_papers_that_were_indexed_again_are_not_new(
    catalog: Catalog, database: Database, number: str
) -> None:
    old, new = document_ids(20), document_ids(20)
    await look(catalog, number, [replace(listed(one), origin_id=str(place)) for place, one in enumerate(old)])
    await watch(catalog, number)
    again = [replace(listed(one), origin_id=str(place)) for place, one in enumerate(new)]
    await look(catalog, number, again, hour=1, stores=False)
    assert await read_events(database, number) == []


async def test_only_two_listings_a_day_apart_unlist_documents(
    catalog: Catalog, database: Database, number: str
) -> None:
    ids = document_ids(5)
    await look(catalog, number, ids)
    await watch(catalog, number)
    await look(catalog, number, ids[:2], hour=30)
    await look(catalog, number, ids[:2], hour=40)
    assert await read_events(database, number) == []
    await look(catalog, number, ids[:2], hour=60)
    [told] = await read_events(database, number)
    assert told.type == "process.documents_unlisted"
    data = await read_data(catalog, told)
    assert data is not None
    assert data["unlisted_documents"] == 3
    assert sorted(data["document_ids"]) == sorted(ids[2:])


async def test_a_change_of_secrecy_is_told_without_what_is_closed(
    catalog: Catalog, database: Database, number: str
) -> None:
    ids = document_ids(2)
    await look(catalog, number, ids)
    await watch(catalog, number)
    closed = replace(listed(ids[0]), secrecy=Secrecy.INTENSE)
    await look(catalog, number, [closed, ids[1], sealed := document_ids(1)[0]], hour=1)
    await look(catalog, number, [closed, ids[1], replace(listed(sealed), secrecy=Secrecy.INTENSE)], hour=2)
    told = await read_events(database, number)
    assert [event.type for event in told] == [
        "process.documents_added",
        "process.secrecy_changed",
        "process.secrecy_changed",
    ]
    full = [await read_data(catalog, event) for event in told]
    assert [body["document_ids"] for body in full if body] == [[sealed], [ids[0]], [sealed]]
    # Nothing of it is left for a key that may see none of these documents.
    assert [await read_data(catalog, event, READER) for event in told] == [None, None, None]
    assert [await read_data(catalog, event, frozenset({Scope.DOWNLOAD})) for event in told] == [None, None, None]


async def test_a_process_that_is_no_longer_shown_goes_on_being_looked_at(
    catalog: Catalog, database: Database, number: str
) -> None:
    await look(catalog, number, document_ids(1))
    await watch(catalog, number, notify=WatchNotify.ALWAYS)
    await make_due(database, number)
    await look(catalog, number, None, ending=NO_ACCESS)
    refused = await get_watch(catalog, number)
    now = datetime.now(UTC)
    assert (refused.state(now), refused.failure_code) == (WatchState.NO_ACCESS, FailureCode.NO_ACCESS)
    assert now < refused.next_look_at
    [told] = await read_events(database, number)
    data = await read_data(catalog, told)
    assert data is not None
    assert data["failure_code"] == "no_access"
    await make_due(database, number)
    assert number in {due.process_number for due in await catalog.watches.list_due(limit=10_000)}


async def test_the_end_of_a_run_does_not_read_movements(catalog: Catalog, number: str) -> None:
    [document_id] = ids = document_ids(1)
    await look(catalog, number, ids)
    await watch(catalog, number)
    run_id = str(uuid4())
    await catalog.runs.open(RunOpening(number, run_id, "local", is_look=True))
    moved = tuple(
        ListedMovement(movement_key("G1", None, 60, "Juntada", place), FIRST_DEGREE.key, document_id=document_id)
        for place in range(3)
    )
    for hour, movements in ((1, ()), (2, moved)):
        listing = replace(listing_of(number, ids, hour=hour), movements=movements, movements_stated=True)
        await catalog.listings.record(listing)
    assert len(await catalog.changes.page(number)) == len(moved)
    # There may be a hundred thousand, and no event tells them.
    with statements() as executed:
        await catalog.runs.close(RunClosing(number, run_id, COMPLETED))
    assert [one.sql for one in executed if "FROM movements" in one.sql] == []


async def test_a_look_that_failed_is_made_again_and_is_late_meanwhile(
    catalog: Catalog, database: Database, number: str
) -> None:
    await watch(catalog, number)
    due = (await get_watch(catalog, number)).next_look_at
    await look(catalog, number, None, ending=RunEnding(Outcome.FAILED, FailureCode.LISTING_UNAVAILABLE, "500"))
    failed = await get_watch(catalog, number)
    assert (failed.next_look_at, failed.last_checked_at) == (due, None)
    assert failed.failure_code is FailureCode.LISTING_UNAVAILABLE
    assert failed.state(failed.late_at) is WatchState.LATE
    # Not at once.
    assert number not in {due.process_number for due in await catalog.watches.list_due(limit=10_000)}


async def test_any_run_is_a_look_if_the_watch_is_due(catalog: Catalog, database: Database, number: str) -> None:
    listing = replace(listing_of(number, document_ids(1)), listed_at=datetime.now(UTC))
    # The next look is at least a day away, whatever the process's time of day.
    await watch(catalog, number, every=timedelta(days=2))
    run_id = str(uuid4())
    await catalog.runs.open(RunOpening(number, run_id, "somebody"))
    await catalog.listings.record(listing)
    await catalog.runs.close(RunClosing(number, run_id, COMPLETED))
    looked_at = await get_watch(catalog, number)
    assert looked_at.last_checked_at is not None
    assert abs(looked_at.last_checked_at - listing.listed_at) < timedelta(milliseconds=1)
    assert looked_at.next_look_at > datetime.now(UTC)
    # A run before the next look is due changes nothing about it.
    run_id = str(uuid4())
    await catalog.runs.open(RunOpening(number, run_id, "somebody"))
    await catalog.listings.record(replace(listing, listed_at=datetime.now(UTC)))
    await catalog.runs.close(RunClosing(number, run_id, COMPLETED))
    assert (await get_watch(catalog, number)).next_look_at == looked_at.next_look_at


async def test_watching_again_changes_the_wish_alone(catalog: Catalog, number: str) -> None:
    await look(catalog, number, document_ids(1))
    first = await watch(catalog, number)
    assert await watch(catalog, number) == first
    changed = await watch(catalog, number, notify=WatchNotify.ALWAYS, webhook_url="https://example.com/x")
    assert changed == replace(first, wish=changed.wish)
    assert changed.wish.notify is WatchNotify.ALWAYS


async def test_another_interval_does_not_put_off_a_look_that_is_due(catalog: Catalog, number: str) -> None:
    ids = document_ids(2)
    await look(catalog, number, ids[:1])
    await watch(catalog, number, every=HOUR)
    # Ends without the new document, which is told after the next look.
    await look(catalog, number, ids, hour=24 * 365, ending=CANCELLED, stores=False)
    waiting = await get_watch(catalog, number)
    again = await watch(catalog, number, every=timedelta(days=31))
    assert again.next_look_at == waiting.next_look_at <= datetime.now(UTC)
    assert again.wish.every == timedelta(days=31)


async def test_a_watch_does_not_tell_what_is_older_than_itself(
    catalog: Catalog, database: Database, number: str
) -> None:
    ids = document_ids(2)
    await look(catalog, number, ids[:1])
    await look(catalog, number, ids, hour=1)
    await watch(catalog, number)
    await look(catalog, number, ids, hour=2)
    assert await read_events(database, number) == []


async def test_one_look_serves_all_who_watch(catalog: Catalog, database: Database, number: str) -> None:
    await watch(catalog, number, "firm-b", download=False)
    await watch(catalog, number, "firm-a", download=False)
    await make_due(database, number)
    due = [one for one in await catalog.watches.list_due(limit=10_000) if one.process_number == number]
    assert due == [DueLook(number, "firm-a", download=False)]
    await watch(catalog, number, "firm-c")
    due = [one for one in await catalog.watches.list_due(limit=10_000) if one.process_number == number]
    assert [one.download for one in due] == [True]
    await catalog.watches.mark_looks([number], [], due_at=datetime.now(UTC))
    assert number not in {one.process_number for one in await catalog.watches.list_due(limit=10_000)}
    assert await catalog.watches.count_open_looks() >= 1
    await look(catalog, number, document_ids(1))
    for client in ("firm-a", "firm-b", "firm-c"):
        assert (await get_watch(catalog, number, client)).last_checked_at is not None


async def test_a_look_that_fails_before_it_is_marked_is_not_under_way(
    catalog: Catalog, database: Database, number: str
) -> None:
    await watch(catalog, number)
    await make_due(database, number)
    due_at = datetime.now(UTC)
    assert number in {one.process_number for one in await catalog.watches.list_due(limit=10_000, at=due_at)}
    before = await catalog.watches.count_open_looks()
    await look(catalog, number, ending=RunEnding(Outcome.FAILED, FailureCode.COURT_UNAVAILABLE, "HTTP 503"))
    await catalog.watches.mark_looks([number], [], due_at=due_at)
    assert await catalog.watches.count_open_looks() == before
    # After the pause of a failed look, and not only after that of one whose end is not recorded.
    soon = datetime.now(UTC) + timedelta(minutes=16)
    assert number in {one.process_number for one in await catalog.watches.list_due(limit=10_000, at=soon)}
