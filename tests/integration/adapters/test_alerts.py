"""Alerts are raised once and cleared once, however often and by however many workers they are reviewed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import delete, update

from adapters.database import Catalog, Database
from adapters.database.deployment_tables import court, store_circuit
from adapters.database.migrate import upgrade
from adapters.database.tables import runs
from adapters.database.watch_tables import watches
from adapters.database.webhook_tables import alerts, attempts, deliveries, failing_endpoints
from domain.alerts import Alert, AlertKind, AlertReview, AlertState, alert_body, worker_concern
from domain.completeness import Outcome
from domain.court import TokenReport
from domain.errors import CourtFailure, FailureCode
from domain.keys import OPERATOR
from domain.run_messages import RunClosing, RunEnding, RunOpening
from domain.watches import WatchWish
from domain.webhooks import SWITCH_OFF_AFTER, SentAttempt, endpoint_id
from tests.integration.adapters.conftest import NewDatabase
from tests.support.listings import document_ids, listing_of, stored_object
from tests.support.numbers import fresh_number
from tests.support.statements import plan, statements

URL = "https://example.com/operator"
SINGLE_ROWS = ("FROM court", "FROM store_circuit")
PATIENCE = timedelta(minutes=5)
DAY = timedelta(days=1)
STORED = TokenReport("stored", expires_at=datetime.now(UTC) + DAY)


@pytest.fixture(scope="module")
async def own_database_url(new_database: NewDatabase) -> str:
    """The URL of a database for these tests alone."""
    url = await new_database()
    await asyncio.to_thread(upgrade, url)
    return url


@pytest.fixture
async def database(own_database_url: str) -> AsyncIterator[Database]:
    """That database, without any reason for an alert."""
    database = Database(own_database_url)
    await Catalog(database).court_state.report_token(STORED)
    yield database
    async with database.writing() as connection:
        for table in (alerts, attempts, deliveries, failing_endpoints, runs, court, store_circuit):
            await connection.execute(delete(table))
    await database.close()


@pytest.fixture
def catalog(database: Database) -> Catalog:
    """The catalog on that database."""
    return Catalog(database)


async def review(catalog: Catalog, url: str | None = URL) -> AlertReview:
    """Review the alerts."""
    return await catalog.alerts.review(url=url, court_patience=PATIENCE)


async def review_raises(catalog: Catalog) -> Alert:
    """Review, and return the alert that it raises. Nothing else may change."""
    found = await review(catalog)
    assert (len(found.raised), found.cleared, len(found.deliveries)) == (1, (), 1)
    assert await review(catalog) == AlertReview()
    return found.raised[0]


async def review_clears(catalog: Catalog) -> Alert:
    """Review, and return the alert that it clears. Nothing else may change."""
    found = await review(catalog)
    assert (found.raised, len(found.cleared), len(found.deliveries)) == ((), 1, 1)
    assert await review(catalog) == AlertReview()
    return found.cleared[0]


async def fail_court(database: Database, *, since: timedelta) -> None:
    """Open the court's circuit, as if it had been open for ``since``."""
    failure = CourtFailure(FailureCode.COURT_UNAVAILABLE, "HTTP 503")
    repository = Catalog(database).court_state
    generation = (await repository.read_state()).generation
    await repository.open_circuit(failure, process_number=fresh_number(), generation=generation, token=None)
    async with database.writing() as connection:
        await connection.execute(update(court).values(since=datetime.now(UTC) - since))


async def create_ended_run(
    catalog: Catalog, number: str, *, failed: int, available: int, outcome: Outcome = Outcome.PARTIAL
) -> str:
    """End a run of a process with these documents, and return the run's id."""
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


async def get_alert(catalog: Catalog, event_id: str) -> Alert:
    """Return the alert that an event announces."""
    alert = await catalog.alerts.get_by_event(event_id)
    assert alert is not None
    return alert


async def test_a_long_outage_of_the_court_is_raised_once_and_cleared_once(
    catalog: Catalog, database: Database
) -> None:
    await fail_court(database, since=PATIENCE - timedelta(seconds=20))
    assert await review(catalog) == AlertReview()
    await fail_court(database, since=PATIENCE)

    alert = await review_raises(catalog)

    assert (alert.concern.kind, alert.state) == (AlertKind.COURT_UNAVAILABLE, AlertState.RAISED)
    assert alert.concern.details == {"failure_code": "court_unavailable"}
    assert (await catalog.alerts.count_open())[AlertKind.COURT_UNAVAILABLE] == 1
    await catalog.court_state.close_circuit()
    over = await review_clears(catalog)
    assert (over.id, over.state) == (alert.id, AlertState.CLEARED)
    assert set((await catalog.alerts.count_open()).values()) == {0}
    # The next outage is another alert.
    await fail_court(database, since=PATIENCE)
    assert (await review_raises(catalog)).id != alert.id


async def test_concurrent_reviews_raise_once_and_clear_once(
    catalog: Catalog, database: Database, own_database_url: str
) -> None:
    await fail_court(database, since=PATIENCE)
    other = Database(own_database_url)
    catalogs = [catalog, Catalog(other)] * 3
    both: list[list[AlertReview]] = []
    for _ in range(2):
        both.append(await asyncio.gather(*(review(one) for one in catalogs)))
        await catalog.court_state.close_circuit()
    await other.close()
    first, second = both
    assert [len(one.raised) for one in first].count(1) == 1
    assert [len(one.cleared) for one in second].count(1) == 1
    assert sum(len(one.deliveries) for one in (*first, *second)) == 2
    assert len(await catalog.deliveries.log.page(OPERATOR, limit=9)) == 2


async def test_each_event_keeps_the_state_of_the_alert_that_it_announced(
    catalog: Catalog, database: Database
) -> None:
    await fail_court(database, since=PATIENCE)
    begun = (await review(catalog)).deliveries[0]
    await catalog.court_state.close_circuit()
    ended = (await review(catalog)).deliveries[0]

    first, second = await get_alert(catalog, begun.id), await get_alert(catalog, ended.id)

    assert (first.state, second.state) == (AlertState.RAISED, AlertState.CLEARED)
    assert (first.id, first.concern, first.raised_at) == (second.id, second.concern, second.raised_at)
    event = await catalog.deliveries.get_event(begun.id)
    assert event is not None
    delivery = event.delivery
    assert (delivery.client, delivery.url, delivery.event_type) == (OPERATOR, URL, "alert.court_unavailable")
    assert await catalog.alerts.get_by_event("evt_of-something-else") is None


async def test_credentials_that_expire_soon_raise_an_alert_unless_renewable(catalog: Catalog) -> None:
    ends = datetime.now(UTC) + timedelta(minutes=29)
    await catalog.court_state.report_token(TokenReport("stored", expires_at=ends, renewable=True))
    assert await review(catalog) == AlertReview()
    await catalog.court_state.report_token(TokenReport("file", expires_at=ends))
    alert = await review_raises(catalog)
    assert alert.concern.kind is AlertKind.CREDENTIALS_EXPIRING
    assert alert.concern.details["token_source"] == "file"
    # There is no second alert when they have expired.
    await catalog.court_state.report_token(TokenReport("file", expires_at=datetime.now(UTC) - DAY))
    assert await review(catalog) == AlertReview()
    await catalog.court_state.report_token(STORED)
    assert (await review_clears(catalog)).id == alert.id


async def test_there_is_no_alert_before_the_first_report_on_the_court(catalog: Catalog, database: Database) -> None:
    async with database.writing() as connection:
        await connection.execute(delete(court))
    assert await review(catalog) == AlertReview()


async def test_mostly_failed_documents_raise_one_alert_until_a_better_run(catalog: Catalog, number: str) -> None:
    run_id = await create_ended_run(catalog, number, failed=3, available=2)
    alert = await review_raises(catalog)
    assert alert.concern.kind is AlertKind.FAILURES_HIGH
    assert alert.concern.details == {
        "process_number": number,
        "run_id": run_id,
        "total_documents": 5,
        "available_documents": 2,
        "failed_documents": 3,
    }
    # Another failing run and a cancelled run change nothing.
    await create_ended_run(catalog, number, failed=5, available=0)
    await create_ended_run(catalog, number, failed=0, available=5, outcome=Outcome.CANCELLED)
    assert await review(catalog) == AlertReview()
    await create_ended_run(catalog, number, failed=0, available=5, outcome=Outcome.COMPLETED)
    assert (await review_clears(catalog)).id == alert.id


@pytest.mark.parametrize(
    "ending",
    [
        {"failed": 2, "available": 2},
        {"failed": 2, "available": 0},
        {"failed": 4, "available": 0, "outcome": Outcome.CANCELLED},
    ],
    ids=["half of them", "hardly any", "cancelled"],
)
async def test_a_run_with_few_or_half_failures_raises_no_alert(
    catalog: Catalog, number: str, ending: dict[str, Any]
) -> None:
    await create_ended_run(catalog, number, **ending)
    assert await review(catalog) == AlertReview()


async def test_an_old_failing_run_or_one_with_a_better_successor_raises_no_alert(
    catalog: Catalog, database: Database, number: str
) -> None:
    await create_ended_run(catalog, number, failed=3, available=0)
    await create_ended_run(catalog, number, failed=0, available=3, outcome=Outcome.COMPLETED)
    old = await create_ended_run(catalog, fresh_number(), failed=3, available=0)
    async with database.writing() as connection:
        await connection.execute(
            update(runs).where(runs.c.id == old).values(ended_at=datetime.now(UTC) - timedelta(hours=25))
        )
    assert await review(catalog) == AlertReview()


async def test_a_disabled_endpoint_raises_an_alert_without_its_url(catalog: Catalog) -> None:
    url = "https://example.com/a-secret-path"
    test = await catalog.deliveries.create_test("desk", url)
    event = await catalog.deliveries.get_event(test.id)
    assert event is not None
    now = datetime.now(UTC)
    days = range(SWITCH_OFF_AFTER.days, -1, -1)
    for place, sent_at in enumerate([now - timedelta(days=day) for day in days], 1):
        assert await review(catalog) == AlertReview()
        await catalog.deliveries.record_attempt(
            event.delivery, SentAttempt(place, sent_at, 500, latency_ms=12), delivered=False, next_attempt_at=now
        )
    alert = await review_raises(catalog)
    this = endpoint_id("desk", url)
    assert alert.concern.details == {"endpoint_id": this, "client": "desk"}
    await catalog.deliveries.endpoints.switch_on(this)
    assert (await review_clears(catalog)).id == alert.id


async def test_a_store_without_writes_for_a_minute_is_raised_once_and_cleared_once(
    catalog: Catalog, database: Database
) -> None:
    await catalog.store_circuit.open("The bucket takes no writes (AccessDenied).", generation=0)
    assert await review(catalog) == AlertReview()
    async with database.writing() as connection:
        await connection.execute(update(store_circuit).values(since=datetime.now(UTC) - timedelta(minutes=1)))
    alert = await review_raises(catalog)
    assert alert.concern.kind is AlertKind.STORE_UNAVAILABLE
    assert alert.concern.details == {"reason": "The bucket takes no writes (AccessDenied)."}
    await catalog.store_circuit.close(generation=1)
    assert (await review_clears(catalog)).id == alert.id


async def test_without_a_webhook_url_alerts_are_counted_but_not_sent(catalog: Catalog, database: Database) -> None:
    await fail_court(database, since=PATIENCE)
    found = await review(catalog, url=None)
    assert (len(found.raised), found.deliveries) == (1, ())
    assert (await catalog.alerts.count_open())[AlertKind.COURT_UNAVAILABLE] == 1
    await catalog.court_state.close_circuit()
    # A clearing is announced only if the alert was announced when it was raised.
    found = await review(catalog)
    assert (len(found.cleared), found.deliveries) == (1, ())


async def test_late_watches_are_one_alert_until_all_of_them_were_looked_at(
    catalog: Catalog, database: Database
) -> None:
    since = datetime.now(UTC) - timedelta(hours=2)
    numbers = [fresh_number() for _ in range(3)]
    for place, number in enumerate(numbers):
        await catalog.watches.put(number, "firm", WatchWish())
        async with database.writing() as connection:
            of_process = update(watches).where(watches.c.process_number == number)
            await connection.execute(of_process.values(late_at=since + timedelta(minutes=place)))
    raised = await review_raises(catalog)
    assert (raised.concern.kind, raised.concern.since) == (AlertKind.WATCH_LATE, since)
    assert raised.concern.details == {"late_watches": 3}
    assert raised.concern.kind.event_type == "watch.late"
    assert alert_body(raised, "https://autos.example.org")["status_url"].endswith("/watches?state=late")
    await catalog.watches.remove(numbers[0], "firm")
    assert await review(catalog) == AlertReview()
    for number in numbers[1:]:
        run_id = str(uuid4())
        await catalog.runs.open(RunOpening(number, run_id, "firm", is_look=True))
        await catalog.listings.record(replace(listing_of(number, []), listed_at=datetime.now(UTC)))
        await catalog.runs.close(RunClosing(number, run_id, RunEnding(Outcome.COMPLETED)))
    assert (await review_clears(catalog)).id == raised.id
    for number in numbers:
        await catalog.watches.remove(number, "firm")


async def test_a_review_uses_indexes_only(catalog: Catalog, database: Database, number: str) -> None:
    await create_ended_run(catalog, number, failed=3, available=0)
    with statements() as said:
        await review(catalog)
    asked = [one for one in said if one.sql.startswith("SELECT") and not one.sql.rstrip().endswith(SINGLE_ROWS)]
    plans = [await plan(database, one) for one in asked]
    expected = [
        *("ix_watches_late_at", "uq_alerts_open", "ix_runs_mostly_failed", "ix_webhook_failing_endpoints_off"),
    ]
    assert [index in one for index, one in zip(expected, plans, strict=True)] == [True] * 4, plans
    assert not any("Seq Scan" in one for one in plans), plans


async def test_missing_workers_are_raised_and_cleared_once_by_the_apis_alone(
    catalog: Catalog, own_database_url: str
) -> None:
    other = Database(own_database_url)
    apis = [catalog.alerts, Catalog(other).alerts] * 3
    missing = [worker_concern(queue, datetime.now(UTC)) for queue in ("court", "processes")]

    begun = await asyncio.gather(*(one.review_workers(missing, (), url=URL) for one in apis))
    # What workers review is something else, and a queue of which nothing is known stays as it is.
    assert await review(catalog) == AlertReview()
    assert await catalog.alerts.review_workers((), ("court",), url=URL) != AlertReview()
    assert (await catalog.alerts.count_open())[AlertKind.NO_WORKER] == 1
    ended = await asyncio.gather(*(one.review_workers((), ("court", "processes"), url=URL) for one in apis))
    await other.close()

    raised = [alert for one in begun for alert in one.raised]
    assert sorted(alert.concern.subject for alert in raised) == ["court", "processes"]
    assert [alert.concern.subject for one in ended for alert in one.cleared] == ["processes"]
    assert sum(len(one.deliveries) for one in (*begun, *ended)) == 3
    assert (await catalog.alerts.count_open())[AlertKind.NO_WORKER] == 0
