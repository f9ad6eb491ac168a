"""Events: in each client's list once, in the order of commits, whatever happens at the same time."""

from __future__ import annotations

import asyncio
import random
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from sqlalchemy import update

from adapters.database import Catalog, Database
from adapters.database.outbox import NewEvent, publish
from adapters.database.watch_tables import events
from domain.completeness import Outcome
from domain.events import ClientEvent, EventPage
from domain.history import HistoryKind, PruneRequest
from domain.run_messages import RunClosing, RunEnding, RunOpening
from domain.webhooks import EventType
from tests.support.listings import document_ids, listing_of
from tests.support.numbers import fresh_number
from tests.support.statements import statements

COMPLETED = RunEnding(Outcome.COMPLETED)


def new_client() -> str:
    return f"client-{uuid4().hex[:8]}"


async def read_all(catalog: Catalog, client: str, *, after: int = 0) -> list[ClientEvent]:
    """Read a client's events as clients do, a few at a time."""
    found: list[ClientEvent] = []
    while True:
        page = await catalog.events.page(client, after=after, limit=7)
        found += page.events
        if page.events:
            after = page.events[-1].number
        if not page.has_more:
            return found


async def test_a_cursor_loses_nothing_under_concurrent_writers(catalog: Catalog, database: Database) -> None:
    clients = [new_client() for _ in range(3)]
    written: dict[str, list[str]] = {client: [] for client in clients}
    random_source = random.Random(7)

    async def write(number: str) -> None:
        for _ in range(12):
            told = random_source.sample(clients, random_source.randint(1, 3))
            new = [
                NewEvent(client, f"evt_{uuid4().hex}", EventType.PROCESS_COMPLETED, number, str(uuid4()), 1)
                for client in told
            ]
            async with database.writing() as connection:
                await publish(connection, new)
                # Others write meanwhile, and some of them could commit first.
                await asyncio.sleep(random_source.uniform(0, 0.01))
            for event in new:
                written[event.client].append(event.id)

    async def follow(client: str) -> list[ClientEvent]:
        found: list[ClientEvent] = []
        while not finished.is_set():
            found += await read_all(catalog, client, after=found[-1].number if found else 0)
        return found + await read_all(catalog, client, after=found[-1].number if found else 0)

    finished = asyncio.Event()
    following = [asyncio.create_task(follow(client)) for client in clients]
    await asyncio.gather(*(write(fresh_number()) for _ in range(6)))
    finished.set()
    for client, found in zip(clients, await asyncio.gather(*following), strict=True):
        assert sorted(event.id for event in found) == sorted(written[client])
        assert [event.number for event in found] == list(range(1, len(written[client]) + 1))


async def test_the_end_of_a_run_is_told_once_to_everyone_who_waits_for_it(catalog: Catalog, number: str) -> None:
    starter, subscriber, joiner, stranger = (new_client() for _ in range(4))
    opening = RunOpening(number, str(uuid4()), starter)
    await catalog.runs.open(opening)
    await catalog.runs.subscribe(opening, subscriber, "https://example.com/hook")
    assert not await catalog.runs.is_followed(opening.run_id, joiner)
    await catalog.runs.follow(opening, joiner)
    await catalog.runs.follow(opening, joiner)
    assert await catalog.runs.is_followed(opening.run_id, joiner)
    assert await catalog.runs.is_followed(opening.run_id, starter)
    closed = await catalog.runs.close(RunClosing(number, opening.run_id, COMPLETED))
    await catalog.runs.close(RunClosing(number, opening.run_id, COMPLETED, closed.deliveries[-1].number))
    told = {client: await read_all(catalog, client) for client in (starter, subscriber, joiner, stranger)}
    assert [len(found) for found in told.values()] == [1, 1, 1, 0]
    assert told[subscriber][0].id == closed.deliveries[0].id
    for client in (starter, subscriber, joiner):
        [event] = told[client]
        assert (event.type, event.run_id, event.process_number) == (
            "process.completed",
            opening.run_id,
            number,
        )
        run = await catalog.events.get_run(event)
        assert run is not None
        assert run.id == opening.run_id


async def test_whoever_comes_after_the_end_is_told_at_once(catalog: Catalog, number: str) -> None:
    opening, late = RunOpening(number, str(uuid4()), new_client()), new_client()
    await catalog.runs.open(opening)
    await catalog.runs.close(RunClosing(number, opening.run_id, COMPLETED))
    await catalog.runs.follow(opening, late)
    await catalog.runs.follow(opening, late)
    assert len(await read_all(catalog, late)) == 1


async def test_a_look_tells_its_end_to_those_alone_who_have_joined_it(catalog: Catalog, number: str) -> None:
    watcher, joiner = new_client(), new_client()
    opening = RunOpening(number, str(uuid4()), watcher, is_look=True)
    # A request that joins the look may register it before the look itself does.
    await catalog.runs.register(RunOpening(number, opening.run_id, watcher))
    await catalog.runs.open(opening)
    await catalog.runs.follow(opening, joiner)
    await catalog.runs.close(RunClosing(number, opening.run_id, COMPLETED))
    assert await read_all(catalog, watcher) == []
    assert len(await read_all(catalog, joiner)) == 1


async def test_the_end_of_a_run_that_was_reset_is_told_again(catalog: Catalog, number: str) -> None:
    client = new_client()
    opening = RunOpening(number, str(uuid4()), client)
    await catalog.runs.open(opening, execution="first")
    await catalog.runs.close(RunClosing(number, opening.run_id, COMPLETED, execution="first"))
    await catalog.runs.open(opening, execution="second")
    await catalog.runs.close(RunClosing(number, opening.run_id, COMPLETED, execution="second"))
    first, second = await read_all(catalog, client)
    assert first.id != second.id
    assert await catalog.events.get_run(first) is None
    assert await catalog.events.get_run(second) is not None


async def test_an_end_that_ends_another_run_too_locks_the_counters_in_order(catalog: Catalog, number: str) -> None:
    name = uuid4().hex[:8]
    reset = RunOpening(number, str(uuid4()), f"client-a-{name}")
    await catalog.runs.open(reset, execution="first")
    await catalog.runs.close(RunClosing(number, reset.run_id, COMPLETED, execution="first"))
    killed = RunOpening(number, str(uuid4()), f"client-b-{name}")
    await catalog.runs.open(killed)
    # The reset execution ends before it has recorded that it works.
    with statements() as sent:
        await catalog.runs.close(RunClosing(number, reset.run_id, COMPLETED, execution="second"))
    locked = [
        client
        for each in sent
        if each.sql.startswith("INSERT INTO event_counters")
        for client in each.parameters
        if client in (reset.client, killed.client)
    ]
    assert locked == [reset.client, killed.client]
    assert len(await read_all(catalog, reset.client)) == 2
    assert len(await read_all(catalog, killed.client)) == 1


async def test_old_events_are_pruned_and_missed(catalog: Catalog, database: Database) -> None:
    client = new_client()
    for _ in range(3):
        number = fresh_number()
        opening = RunOpening(number, str(uuid4()), client)
        await catalog.runs.open(opening)
        await catalog.listings.record(listing_of(number, document_ids(1)))
        await catalog.runs.close(RunClosing(number, opening.run_id, COMPLETED))
    old = datetime.now(UTC) - timedelta(days=5_000)
    async with database.writing() as connection:
        await connection.execute(
            update(events).where(events.c.client == client, events.c.number <= 2).values(created_at=old)
        )
    await catalog.history.prune(PruneRequest(HistoryKind.EVENTS), before=old + timedelta(days=1))
    page = await catalog.events.page(client, after=0, limit=10)
    assert [event.number for event in page.events] == [3]
    assert page == EventPage(page.events, next_after=3, has_more=False, is_incomplete=True)
    assert not (await catalog.events.page(client, after=2, limit=10)).is_incomplete


async def test_a_number_from_before_a_restored_backup_hides_nothing(catalog: Catalog, number: str) -> None:
    client = new_client()
    opening = RunOpening(number, str(uuid4()), client)
    await catalog.runs.open(opening)
    await catalog.runs.close(RunClosing(number, opening.run_id, COMPLETED))
    page = await catalog.events.page(client, after=100, limit=10)
    assert page == EventPage((), next_after=1, has_more=False, is_incomplete=True)


async def test_an_event_stays_until_it_is_delivered(catalog: Catalog, database: Database, number: str) -> None:
    client = new_client()
    opening = RunOpening(number, str(uuid4()), client)
    await catalog.runs.open(opening)
    await catalog.runs.subscribe(opening, client, "https://example.com/hook")
    await catalog.runs.close(RunClosing(number, opening.run_id, COMPLETED))
    old = datetime.now(UTC) - timedelta(days=5_000)
    async with database.writing() as connection:
        await connection.execute(update(events).where(events.c.client == client).values(created_at=old))
    await catalog.history.prune(PruneRequest(HistoryKind.EVENTS), before=old + timedelta(days=1))
    assert len(await read_all(catalog, client)) == 1
