"""Pruning: what is old and ended goes, in short transactions; what is open, recent or referred to stays."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import Table, func, insert, select, text, update

from activities.history import HistoryActivities
from adapters.database import Catalog, Database
from adapters.database.access_tables import accesses
from adapters.database.client_tables import batch_items, batches
from adapters.database.erasure_tables import legal_holds
from adapters.database.migrate import upgrade
from adapters.database.tables import metadata, runs
from adapters.database.watch_tables import events
from adapters.database.webhook_tables import alerts, attempts, deliveries, subscriptions
from domain.completeness import Outcome
from domain.history import HistoryKind, HistoryProgress, PrunedPart, PruneRequest
from domain.run_messages import RunClosing, RunEnding, RunOpening
from domain.webhooks import DeliveryStatus
from tests.integration.adapters.conftest import NewDatabase
from tests.support.numbers import fresh_number
from tests.support.statements import plan, statements

NOW = datetime.now(UTC)
OLD, LIMIT, RECENT = NOW - timedelta(days=400), NOW - timedelta(days=100), NOW - timedelta(days=10)
URL = "https://example.com/hook"
MOST_ROWS_OF_A_CHUNK = 500


# A database of its own: pruning is about all rows of a table.
@pytest.fixture(scope="module")
async def database(new_database: NewDatabase) -> AsyncIterator[Database]:
    """A database that only the tests of this module use."""
    url = await new_database()
    await asyncio.to_thread(upgrade, url)
    database = Database(url)
    yield database
    await database.close()


@pytest.fixture(scope="module")
def catalog(database: Database) -> Catalog:
    """The catalog on it."""
    return Catalog(database)


async def prune(catalog: Catalog, kind: HistoryKind) -> list[PrunedPart]:
    """Prune all of a kind of history that is older than the limit."""
    parts, request = [], PruneRequest(kind)
    while True:
        parts.append(await catalog.history.prune(request, before=LIMIT))
        if parts[-1].following is None:
            return parts
        request = PruneRequest(kind, parts[-1].following)


async def insert_rows(database: Database, table: Table, rows: Sequence[dict[str, Any]]) -> None:
    """Insert rows as they are."""
    async with database.writing() as connection:
        await connection.execute(insert(table), rows)


async def count(database: Database, table: Table, *conditions: Any) -> int:
    """Count the rows of a table."""
    async with database.reading() as connection:
        return await connection.scalar(select(func.count()).select_from(table).where(*conditions)) or 0


def run_row(number: str, ended_at: datetime | None, started_at: datetime = OLD) -> dict[str, Any]:
    """Return a row of the table of runs."""
    return {
        "id": str(uuid4()),
        "process_number": number,
        "client": "desk",
        "started_at": started_at,
        "ended_at": ended_at,
        "outcome": Outcome.COMPLETED if ended_at else None,
    }


def access_row(at: datetime, number: str) -> dict[str, Any]:
    """Return a row of the access trail."""
    return {"at": at, "process_number": number, "client": "desk", "how": "link", "document_ids": "[]"}


async def create_notified_run(catalog: Catalog, number: str) -> RunOpening:
    """Create an ended run with a delivery that has been delivered. Returns its opening."""
    opening = RunOpening(number, str(uuid4()), "desk")
    await catalog.runs.open(opening)
    await catalog.runs.subscribe(opening, "desk", URL)
    await catalog.runs.close(RunClosing(number, opening.run_id, RunEnding(Outcome.COMPLETED)))
    return opening


async def make_old(database: Database, run_id: str, *, delivery: dict[str, Any]) -> int:
    """Make a run and its delivery as old as can be, and give the delivery an attempt. Returns its number."""
    async with database.writing() as connection:
        await connection.execute(update(runs).where(runs.c.id == run_id).values(started_at=OLD, ended_at=OLD))
        await connection.execute(update(events).where(events.c.run_id == run_id).values(created_at=OLD))
        updated = await connection.execute(
            update(deliveries)
            .where(deliveries.c.run_id == run_id)
            .values(created_at=OLD, **delivery)
            .returning(deliveries.c.number)
        )
        number: int = updated.scalar_one()
        await connection.execute(
            insert(attempts), {"delivery_number": number, "attempt": 1, "sent_at": OLD, "status_code": 204}
        )
    return number


DELIVERED = {"status": DeliveryStatus.DELIVERED, "delivered_at": OLD, "next_attempt_at": None}
GIVEN_UP = {"status": DeliveryStatus.FAILED, "given_up_at": OLD, "next_attempt_at": None}


async def test_old_runs_go_in_chunks_and_the_latest_of_each_process_stays(
    catalog: Catalog, database: Database
) -> None:
    number, other = fresh_number(), fresh_number()
    old = [run_row(number, OLD + timedelta(hours=place), OLD + timedelta(hours=place)) for place in range(1_200)]
    latest = run_row(number, OLD + timedelta(hours=2_000), OLD + timedelta(hours=2_000))
    recent = run_row(other, RECENT)
    newer = run_row(other, None, RECENT)
    open_one = run_row(other, None, OLD - timedelta(days=1))
    await insert_rows(database, runs, [*old, latest, recent, newer, open_one])

    parts = await prune(catalog, HistoryKind.RUNS)

    assert sum(part.rows for part in parts) == len(old)
    assert max(part.rows for part in parts) == MOST_ROWS_OF_A_CHUNK
    async with database.reading() as connection:
        left = await connection.execute(select(runs.c.id).where(runs.c.process_number.in_([number, other])))
    assert set(left.scalars()) == {row["id"] for row in (latest, recent, newer, open_one)}
    assert sum(part.rows for part in await prune(catalog, HistoryKind.RUNS)) == 0


async def test_a_run_stays_while_a_batch_or_a_delivery_refers_to_it(catalog: Catalog, database: Database) -> None:
    number = fresh_number()
    told = await create_notified_run(catalog, number)
    await make_old(database, told.run_id, delivery=DELIVERED)
    of_batch = run_row(number, OLD)
    batch_id = uuid4().hex
    await insert_rows(database, runs, [of_batch, run_row(number, RECENT, RECENT)])
    await insert_rows(database, batches, [{"id": batch_id, "client": "desk", "priority": 4, "created_at": RECENT}])
    item = {"batch_id": batch_id, "position": 1, "given": number, "process_number": number}
    await insert_rows(database, batch_items, [{**item, "decision": "started", "run_id": of_batch["id"]}])

    assert sum(part.rows for part in await prune(catalog, HistoryKind.RUNS)) == 0

    await prune(catalog, HistoryKind.DELIVERIES)
    await prune(catalog, HistoryKind.EVENTS)
    await catalog.batches.delete(batch_id)
    assert sum(part.rows for part in await prune(catalog, HistoryKind.RUNS)) == 2


@pytest.mark.parametrize("ended", [DELIVERED, GIVEN_UP], ids=["delivered", "given up"])
async def test_an_old_delivery_goes_with_its_attempts_and_its_subscription(
    catalog: Catalog, database: Database, ended: dict[str, Any]
) -> None:
    run = await create_notified_run(catalog, fresh_number())
    number = await make_old(database, run.run_id, delivery=ended)

    assert sum(part.rows for part in await prune(catalog, HistoryKind.DELIVERIES)) == 1

    assert await count(database, attempts, attempts.c.delivery_number == number) == 0
    assert await count(database, subscriptions, subscriptions.c.run_id == run.run_id) == 0
    # Who subscribes later is notified, and nobody is notified again with it.
    assert await catalog.runs.subscribe(run, "desk", f"{URL}/later") is not None
    assert await count(database, deliveries, deliveries.c.run_id == run.run_id) == 1


async def test_a_delivery_that_is_pending_or_ended_recently_stays(catalog: Catalog, database: Database) -> None:
    pending = await create_notified_run(catalog, fresh_number())
    redelivered = await create_notified_run(catalog, fresh_number())
    numbers = [
        await make_old(database, pending.run_id, delivery={"next_attempt_at": OLD}),
        await make_old(database, redelivered.run_id, delivery={**DELIVERED, "delivered_at": RECENT}),
    ]
    assert sum(part.rows for part in await prune(catalog, HistoryKind.DELIVERIES)) == 0
    assert await count(database, deliveries, deliveries.c.number.in_(numbers)) == 2
    assert await count(database, attempts, attempts.c.delivery_number.in_(numbers)) == 2


async def test_the_subscription_of_a_run_that_was_reset_stays(catalog: Catalog, database: Database) -> None:
    run = await create_notified_run(catalog, fresh_number())
    await make_old(database, run.run_id, delivery=DELIVERED)
    assert await catalog.runs.reopen(run.run_id, execution=str(uuid4()))

    assert sum(part.rows for part in await prune(catalog, HistoryKind.DELIVERIES)) == 1

    closing = RunClosing(run.process_number, run.run_id, RunEnding(Outcome.COMPLETED))
    assert len((await catalog.runs.close(closing)).deliveries) == 1


async def test_an_old_batch_goes_with_its_items_unless_it_is_open(catalog: Catalog, database: Database) -> None:
    old = [
        {"id": uuid4().hex, "client": "desk", "priority": 4, "created_at": OLD, "ended_at": OLD} for _ in range(50)
    ]
    opened = {"id": uuid4().hex, "client": "desk", "priority": 4, "created_at": OLD, "ended_at": None}
    lasting = {"id": uuid4().hex, "client": "desk", "priority": 4, "created_at": OLD, "ended_at": RECENT}
    await insert_rows(database, batches, [*old, opened, lasting])
    await insert_rows(
        database,
        batch_items,
        [{"batch_id": batch["id"], "position": 1, "given": "x"} for batch in (*old, opened, lasting)],
    )

    parts = await prune(catalog, HistoryKind.BATCHES)

    assert sum(part.rows for part in parts) == 50
    assert max(part.rows for part in parts) <= 20
    kept = (opened["id"], lasting["id"])
    assert await count(database, batches, batches.c.id.in_(kept)) == 2
    assert await count(database, batch_items, batch_items.c.batch_id.in_(kept)) == 2
    assert await count(database, batch_items, batch_items.c.batch_id.in_([row["id"] for row in old])) == 0


async def test_a_cleared_alert_goes_once_no_delivery_is_about_it(catalog: Catalog, database: Database) -> None:
    run = await create_notified_run(catalog, fresh_number())
    number = await make_old(database, run.run_id, delivery={"next_attempt_at": OLD})
    async with database.reading() as connection:
        event_id = await connection.scalar(select(deliveries.c.id).where(deliveries.c.number == number))
    alert = {"kind": "court_unavailable", "since": OLD, "details": {}, "raised_at": OLD}
    await insert_rows(
        database,
        alerts,
        [
            {**alert, "id": f"a{uuid4().hex}", "subject": "old", "cleared_at": OLD, "cleared_event": None},
            {**alert, "id": f"a{uuid4().hex}", "subject": "told", "cleared_at": OLD, "cleared_event": event_id},
            {**alert, "id": f"a{uuid4().hex}", "subject": "recent", "cleared_at": RECENT, "cleared_event": None},
            {**alert, "id": f"a{uuid4().hex}", "subject": "open", "cleared_at": None, "cleared_event": None},
        ],
    )
    assert sum(part.rows for part in await prune(catalog, HistoryKind.ALERTS)) == 1
    async with database.reading() as connection:
        left = (await connection.execute(select(alerts.c.subject))).scalars()
    assert sorted(left) == ["open", "recent", "told"]


async def test_the_trail_is_pruned_in_chunks(catalog: Catalog, database: Database) -> None:
    number = fresh_number()
    rows = [access_row(OLD + timedelta(seconds=place), number) for place in range(1_100)]
    await insert_rows(database, accesses, [*rows, access_row(RECENT, number)])
    parts = await prune(catalog, HistoryKind.ACCESSES)
    assert [part.rows for part in parts] == [500, 500, 100]
    assert await count(database, accesses, accesses.c.process_number == number) == 1


async def test_accesses_and_runs_of_a_held_process_stay_as_long_as_the_hold(
    catalog: Catalog, database: Database
) -> None:
    held, other = fresh_number(), fresh_number()
    hold = {"process_number": held, "placed_at": OLD, "placed_by": "local"}
    await insert_rows(database, legal_holds, [hold])
    await insert_rows(database, accesses, [access_row(OLD, held), access_row(OLD, other)])
    of_runs = [run_row(number, OLD, OLD + timedelta(days=day)) for number in (held, other) for day in (0, 1)]
    await insert_rows(database, runs, of_runs)
    kinds = (HistoryKind.ACCESSES, HistoryKind.RUNS)
    assert [[part.rows for part in await prune(catalog, kind)] for kind in kinds] == [[1], [1]]
    assert await count(database, accesses, accesses.c.process_number == held) == 1
    assert await count(database, runs, runs.c.process_number == held) == 2
    await catalog.holds.release(held)
    assert [[part.rows for part in await prune(catalog, kind)] for kind in kinds] == [[1], [1]]


async def test_a_chunk_of_the_trail_begins_where_the_one_before_has_ended(
    catalog: Catalog, database: Database
) -> None:
    number = fresh_number()
    rows = [access_row(OLD + timedelta(seconds=place), number) for place in range(600)]
    await insert_rows(database, accesses, rows)
    first = await catalog.history.prune(PruneRequest(HistoryKind.ACCESSES), before=LIMIT)
    assert first.following
    await insert_rows(database, accesses, [access_row(OLD - timedelta(days=1), number)])
    second = await catalog.history.prune(PruneRequest(HistoryKind.ACCESSES, first.following), before=LIMIT)
    assert (first.rows, second.rows, second.following) == (500, 100, None)
    # The next sweep takes what came late.
    assert [part.rows for part in await prune(catalog, HistoryKind.ACCESSES)] == [1]


async def test_runs_that_stay_are_not_written_to(catalog: Catalog, database: Database) -> None:
    if database.dialect == "sqlite":
        pytest.skip("SQLite locks no rows.")
    rows = [run_row(fresh_number(), OLD) for _ in range(3)]
    await insert_rows(database, runs, rows)
    await prune(catalog, HistoryKind.RUNS)
    async with database.reading() as connection:
        lockers = await connection.scalars(
            select(text("xmax::text")).select_from(runs).where(runs.c.id.in_([row["id"] for row in rows]))
        )
    assert lockers.all() == ["0"] * 3


@pytest.mark.parametrize("kind", [HistoryKind.DELIVERIES, HistoryKind.RUNS, HistoryKind.ACCESSES])
async def test_a_worker_whose_clock_is_years_ahead_deletes_nothing(
    catalog: Catalog, database: Database, kind: HistoryKind
) -> None:
    number = fresh_number()
    run = await create_notified_run(catalog, number)
    await make_old(database, run.run_id, delivery={**DELIVERED, "delivered_at": RECENT})
    await insert_rows(database, runs, [run_row(number, RECENT, RECENT), run_row(number, None, NOW)])
    await insert_rows(database, accesses, [access_row(RECENT, number)])
    activities = HistoryActivities(
        catalog.history, {kind: timedelta(days=4_000)}, clock=lambda: NOW + timedelta(days=10_000)
    )
    assert await activities.prune_history(PruneRequest(kind)) == PrunedPart()


INDEXES = {
    HistoryKind.BATCHES: ["ix_batches_created_at_id"],
    HistoryKind.DELIVERIES: ["webhook_deliveries"],
    HistoryKind.ALERTS: ["ix_alerts_cleared_at"],
    HistoryKind.RUNS: ["ix_runs_ended_at_id", "ix_runs_process_number_started_at"],
    HistoryKind.ACCESSES: ["ix_accesses_at_number"],
    HistoryKind.EVENTS: ["ix_events_created_at"],
}


@pytest.mark.parametrize("kind", HistoryKind)
async def test_a_sweep_reads_no_whole_table(catalog: Catalog, database: Database, kind: HistoryKind) -> None:
    number = fresh_number()
    told = await create_notified_run(catalog, number)
    await make_old(database, told.run_id, delivery=DELIVERED)
    await insert_rows(database, runs, [run_row(number, OLD), run_row(number, OLD)])
    old_batch = {"id": uuid4().hex, "client": "desk", "priority": 4, "created_at": OLD, "ended_at": OLD}
    await insert_rows(database, batches, [old_batch])
    with statements() as executed:
        await catalog.history.prune(PruneRequest(kind), before=LIMIT)
        # The next chunk is found by its cursor.
        if kind in (HistoryKind.RUNS, HistoryKind.BATCHES):
            await catalog.history.prune(PruneRequest(kind, f"{OLD.isoformat()} x"), before=LIMIT)
    plans = [await plan(database, one) for one in executed if one.sql.startswith(("SELECT", "DELETE"))]
    joined = "\n".join(plans)
    assert all(index in joined for index in INDEXES[kind]), joined
    for one in plans:
        assert "Seq Scan" not in one
        for name in metadata.tables:
            assert f"SCAN {name}" not in one


def test_a_sweep_takes_every_kind_once_and_in_order() -> None:
    progress, seen = HistoryProgress(), []
    while progress.request is not None:
        request = progress.request
        seen.append((request.kind, request.after))
        # Each kind takes two parts.
        progress = progress.after(request, PrunedPart(3, None if request.after else "x"))
    assert seen == [(kind, after) for kind in HistoryKind for after in ("", "x")]
    assert progress.rows == 3 * len(seen)
