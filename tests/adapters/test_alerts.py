"""Alerts are raised once and cleared once, whoever looks and however often."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import delete, update

from adapters.database import Catalog, Database
from adapters.database.migrate import upgrade
from adapters.database.tables import court, runs, store_circuit
from adapters.database.webhook_tables import alerts, attempts, deliveries, failing_endpoints
from domain.alerts import Alert, AlertKind, AlertReview, AlertState
from domain.completeness import Outcome
from domain.court import TokenReport
from domain.errors import CourtFailure, FailureCode
from domain.keys import OPERATOR
from domain.messages import RunClosing, RunEnding, RunOpening
from domain.webhooks import SWITCH_OFF_AFTER, SentAttempt, endpoint_id
from tests.adapters.conftest import NewDatabase
from tests.support.listings import document_ids, listing_of, stored_object
from tests.support.numbers import fresh_number
from tests.support.statements import plan, statements

URL = "https://example.com/operator"
SINGLE_ROWS = ("FROM court", "FROM store_circuit")
PATIENCE = timedelta(minutes=5)
DAY = timedelta(days=1)
STORED = TokenReport("stored", expires_at=datetime.now(UTC) + DAY)


@pytest.fixture(scope="module")
async def watched_url(new_database: NewDatabase) -> str:
    """The address of a database of which these tests alone know everything."""
    url = await new_database()
    await asyncio.to_thread(upgrade, url)
    return url


@pytest.fixture
async def database(watched_url: str) -> AsyncIterator[Database]:
    """That database, in which nothing is wrong."""
    database = Database(watched_url)
    await Catalog(database).court.report_token(STORED)
    yield database
    async with database.writing() as connection:
        for table in (alerts, attempts, deliveries, failing_endpoints, runs, court, store_circuit):
            await connection.execute(delete(table))
    await database.close()


@pytest.fixture
def catalog(database: Database) -> Catalog:
    """The catalog on it."""
    return Catalog(database)


async def review(catalog: Catalog, url: str | None = URL) -> AlertReview:
    """A look."""
    return await catalog.alerts.review(url=url, court_patience=PATIENCE)


async def raised(catalog: Catalog) -> Alert:
    """The one alert that a look raises, and nothing else."""
    found = await review(catalog)
    assert (len(found.raised), found.cleared, len(found.deliveries)) == (1, (), 1)
    assert await review(catalog) == AlertReview()
    return found.raised[0]


async def cleared(catalog: Catalog) -> Alert:
    """The one alert that a look clears, and nothing else."""
    found = await review(catalog)
    assert (found.raised, len(found.cleared), len(found.deliveries)) == ((), 1, 1)
    assert await review(catalog) == AlertReview()
    return found.cleared[0]


async def court_fails(database: Database, *, since: timedelta) -> None:
    """The court has not answered for so long."""
    failure = CourtFailure(FailureCode.COURT_UNAVAILABLE, "HTTP 503")
    repository = Catalog(database).court
    generation = (await repository.state()).generation
    await repository.open_circuit(failure, process_number=fresh_number(), generation=generation, token=None)
    async with database.writing() as connection:
        await connection.execute(update(court).values(since=datetime.now(UTC) - since))


async def run_ended(
    catalog: Catalog, number: str, *, failed: int, available: int, outcome: Outcome = Outcome.PARTIAL
) -> str:
    """A run that ended so, of a process that has these documents alone; gives its id."""
    ids = document_ids(failed + available)
    await catalog.listings.record(listing_of(number, ids))
    run_id = str(uuid4())
    await catalog.runs.open(RunOpening(number, run_id, "local"))
    for document_id in ids[:failed]:
        await catalog.documents.record_failed_attempt(
            number, document_id, FailureCode.SEALED, "", allowed_attempts=1
        )
    for document_id in ids[failed:]:
        await catalog.documents.mark_available(number, document_id, stored_object(number, document_id))
    await catalog.runs.close(RunClosing(number, run_id, RunEnding(outcome)))
    return run_id


async def told(catalog: Catalog, event_id: str) -> Alert:
    """What an event tells."""
    alert = await catalog.alerts.told_by(event_id)
    assert alert is not None
    return alert


async def test_a_court_that_is_away_for_long_is_told_once_and_so_is_its_return(
    catalog: Catalog, database: Database
) -> None:
    await court_fails(database, since=PATIENCE - timedelta(seconds=20))
    assert await review(catalog) == AlertReview()
    await court_fails(database, since=PATIENCE)

    alert = await raised(catalog)

    assert (alert.concern.kind, alert.state) == (AlertKind.COURT_UNAVAILABLE, AlertState.RAISED)
    assert alert.concern.details == {"failure_code": "court_unavailable"}
    assert (await catalog.alerts.open_counts())[AlertKind.COURT_UNAVAILABLE] == 1
    await catalog.court.close_circuit()
    over = await cleared(catalog)
    assert (over.id, over.state) == (alert.id, AlertState.CLEARED)
    assert set((await catalog.alerts.open_counts()).values()) == {0}
    # Its next absence is another one.
    await court_fails(database, since=PATIENCE)
    assert (await raised(catalog)).id != alert.id


async def test_of_many_who_look_at_once_one_raises_and_one_clears(
    catalog: Catalog, database: Database, watched_url: str
) -> None:
    await court_fails(database, since=PATIENCE)
    other = Database(watched_url)
    lookers = [catalog, Catalog(other)] * 3
    both: list[list[AlertReview]] = []
    for _ in range(2):
        both.append(await asyncio.gather(*(review(one) for one in lookers)))
        await catalog.court.close_circuit()
    await other.close()
    first, second = both
    assert [len(one.raised) for one in first].count(1) == 1
    assert [len(one.cleared) for one in second].count(1) == 1
    assert sum(len(one.deliveries) for one in (*first, *second)) == 2
    assert len(await catalog.webhooks.log.page(OPERATOR, limit=9)) == 2


async def test_each_event_goes_on_telling_what_it_told_first(catalog: Catalog, database: Database) -> None:
    await court_fails(database, since=PATIENCE)
    begun = (await review(catalog)).deliveries[0]
    await catalog.court.close_circuit()
    ended = (await review(catalog)).deliveries[0]

    first, second = await told(catalog, begun.id), await told(catalog, ended.id)

    assert (first.state, second.state) == (AlertState.RAISED, AlertState.CLEARED)
    assert (first.id, first.concern, first.raised_at) == (second.id, second.concern, second.raised_at)
    event = await catalog.webhooks.event(begun.id)
    assert event is not None
    delivery = event.delivery
    assert (delivery.client, delivery.url, delivery.event_type) == (OPERATOR, URL, "alert.court_unavailable")
    assert await catalog.alerts.told_by("evt_of-something-else") is None


async def test_credentials_that_end_soon_are_told_unless_they_are_renewed(catalog: Catalog) -> None:
    ends = datetime.now(UTC) + timedelta(minutes=29)
    await catalog.court.report_token(TokenReport("stored", expires_at=ends, renewable=True))
    assert await review(catalog) == AlertReview()
    await catalog.court.report_token(TokenReport("file", expires_at=ends))
    alert = await raised(catalog)
    assert alert.concern.kind is AlertKind.CREDENTIALS_EXPIRING
    assert alert.concern.details["token_source"] == "file"
    # Nothing is told anew when they have ended.
    await catalog.court.report_token(TokenReport("file", expires_at=datetime.now(UTC) - DAY))
    assert await review(catalog) == AlertReview()
    await catalog.court.report_token(STORED)
    assert (await cleared(catalog)).id == alert.id


async def test_before_anybody_has_seen_the_court_there_is_nothing_to_tell(
    catalog: Catalog, database: Database
) -> None:
    async with database.writing() as connection:
        await connection.execute(delete(court))
    assert await review(catalog) == AlertReview()


async def test_a_process_whose_documents_mostly_fail_is_told_once_until_a_run_ends_better(
    catalog: Catalog, number: str
) -> None:
    run_id = await run_ended(catalog, number, failed=3, available=2)
    alert = await raised(catalog)
    assert alert.concern.kind is AlertKind.FAILURES_HIGH
    assert alert.concern.details == {
        "process_number": number,
        "run_id": run_id,
        "total_documents": 5,
        "available_documents": 2,
        "failed_documents": 3,
    }
    # A run that fails again, and one that says nothing, change nothing.
    await run_ended(catalog, number, failed=5, available=0)
    await run_ended(catalog, number, failed=0, available=5, outcome=Outcome.CANCELLED)
    assert await review(catalog) == AlertReview()
    await run_ended(catalog, number, failed=0, available=5, outcome=Outcome.COMPLETED)
    assert (await cleared(catalog)).id == alert.id


@pytest.mark.parametrize(
    "ending",
    [
        {"failed": 2, "available": 2},
        {"failed": 2, "available": 0},
        {"failed": 4, "available": 0, "outcome": Outcome.CANCELLED},
    ],
    ids=["half of them", "hardly any", "cancelled"],
)
async def test_a_run_that_says_little_of_the_service_is_not_told(
    catalog: Catalog, number: str, ending: dict[str, Any]
) -> None:
    await run_ended(catalog, number, **ending)
    assert await review(catalog) == AlertReview()


async def test_a_failing_run_that_is_old_or_was_followed_by_a_better_one_is_no_news(
    catalog: Catalog, database: Database, number: str
) -> None:
    await run_ended(catalog, number, failed=3, available=0)
    await run_ended(catalog, number, failed=0, available=3, outcome=Outcome.COMPLETED)
    old = await run_ended(catalog, fresh_number(), failed=3, available=0)
    async with database.writing() as connection:
        await connection.execute(
            update(runs).where(runs.c.id == old).values(ended_at=datetime.now(UTC) - timedelta(hours=25))
        )
    assert await review(catalog) == AlertReview()


async def test_an_address_that_is_switched_off_is_told_without_the_address(catalog: Catalog) -> None:
    url = "https://example.com/a-secret-path"
    test = await catalog.webhooks.announce_test("desk", url)
    event = await catalog.webhooks.event(test.id)
    assert event is not None
    now = datetime.now(UTC)
    days = range(SWITCH_OFF_AFTER.days, -1, -1)
    for place, sent_at in enumerate([now - timedelta(days=day) for day in days], 1):
        assert await review(catalog) == AlertReview()
        await catalog.webhooks.record_attempt(
            event.delivery, SentAttempt(place, sent_at, 500, latency_ms=12), delivered=False, next_attempt_at=now
        )
    alert = await raised(catalog)
    this = endpoint_id("desk", url)
    assert alert.concern.details == {"endpoint_id": this, "client": "desk"}
    await catalog.webhooks.endpoints.switch_on(this)
    assert (await cleared(catalog)).id == alert.id


async def test_a_store_that_takes_no_writes_for_a_minute_is_told_once_and_so_is_its_return(
    catalog: Catalog, database: Database
) -> None:
    await catalog.store_circuit.open("The bucket takes no writes (AccessDenied).", generation=0)
    assert await review(catalog) == AlertReview()
    async with database.writing() as connection:
        await connection.execute(update(store_circuit).values(since=datetime.now(UTC) - timedelta(minutes=1)))
    alert = await raised(catalog)
    assert alert.concern.kind is AlertKind.STORE_UNAVAILABLE
    assert alert.concern.details == {"reason": "The bucket takes no writes (AccessDenied)."}
    await catalog.store_circuit.close(generation=1)
    assert (await cleared(catalog)).id == alert.id


async def test_without_an_address_nothing_is_sent_and_alerts_are_counted_all_the_same(
    catalog: Catalog, database: Database
) -> None:
    await court_fails(database, since=PATIENCE)
    found = await review(catalog, url=None)
    assert (len(found.raised), found.deliveries) == (1, ())
    assert (await catalog.alerts.open_counts())[AlertKind.COURT_UNAVAILABLE] == 1
    await catalog.court.close_circuit()
    # Whoever was not told of the beginning is not told of the end.
    found = await review(catalog)
    assert (len(found.cleared), found.deliveries) == (1, ())


async def test_a_look_reads_indexes_alone(catalog: Catalog, database: Database, number: str) -> None:
    await run_ended(catalog, number, failed=3, available=0)
    with statements() as said:
        await review(catalog)
    asked = [one for one in said if one.sql.startswith("SELECT") and not one.sql.rstrip().endswith(SINGLE_ROWS)]
    plans = [await plan(database, one) for one in asked]
    expected = ["uq_alerts_open", "ix_runs_mostly_failed", "ix_webhook_failing_endpoints_off"]
    assert [index in one for index, one in zip(expected, plans, strict=True)] == [True] * 3, plans
    assert not any("Seq Scan" in one for one in plans), plans
