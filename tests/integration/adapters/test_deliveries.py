"""The delivery log, redelivery, overdue deliveries and failing endpoints."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text, update
from sqlalchemy.ext.asyncio import create_async_engine

from adapters.database import Catalog, Database
from adapters.database.webhook_tables import deliveries
from domain.completeness import Outcome
from domain.delivery_messages import DeliveryRef
from domain.run_messages import RunClosing, RunEnding, RunOpening
from domain.sweep_messages import OverdueRequest
from domain.webhooks import CLIENT_GONE, MAX_LISTED_ATTEMPTS, Delivery, DeliveryStatus, EventType, SentAttempt
from tests.support.statements import plan, statements

URL = "https://example.com/hook"
NOW = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)


@pytest.fixture
def client() -> str:
    """A client that no other test uses."""
    return f"client-{uuid4().hex[:12]}"


async def create_test_delivery(catalog: Catalog, client: str, url: str = URL) -> Delivery:
    """Create a delivery of a test event."""
    return await read_delivery(catalog, (await catalog.deliveries.create_test(client, url)).id)


async def read_delivery(catalog: Catalog, delivery_id: str) -> Delivery:
    """Return a delivery that must exist."""
    logged = await catalog.deliveries.log.get(delivery_id)
    assert logged is not None
    return logged.delivery


async def create_ended_run(catalog: Catalog, number: str, outcome: Outcome = Outcome.COMPLETED) -> str:
    """Open and close a run, and return its id."""
    run_id = str(uuid4())
    await catalog.runs.open(RunOpening(number, run_id, "local"))
    await catalog.runs.close(RunClosing(number, run_id, RunEnding(outcome)))
    return run_id


async def record_attempt(
    catalog: Catalog,
    delivery: Delivery,
    number: int = 1,
    *,
    at: datetime = NOW,
    delivered: bool = False,
    again_at: datetime | None = None,
) -> bool:
    """Record an attempt. Return whether it disabled the endpoint."""
    sent = SentAttempt(number, at, 204 if delivered else 500, 12, "ok" if delivered else "no")
    return await catalog.deliveries.record_attempt(delivery, sent, delivered=delivered, next_attempt_at=again_at)


async def list_ids(catalog: Catalog, client: str, **filters: Any) -> list[str]:
    """Return the ids on a page of a client's log."""
    page = await catalog.deliveries.log.page(client, **{"limit": 50, **filters})
    return [logged.delivery.id for logged in page]


async def test_a_test_delivery_has_no_run_and_no_process(catalog: Catalog, client: str) -> None:
    delivery = await create_test_delivery(catalog, client)
    assert (delivery.event_type, delivery.status) == (EventType.WEBHOOK_TEST, DeliveryStatus.PENDING)
    assert (delivery.run_id, delivery.process_number) == (None, None)
    event = await catalog.deliveries.get_event(delivery.id)
    assert event is not None
    assert (event.run, event.endpoint_off) == (None, False)
    assert "." not in delivery.id


async def test_each_attempt_is_logged_once(catalog: Catalog, client: str) -> None:
    delivery = await create_test_delivery(catalog, client)
    later = NOW + timedelta(seconds=5)
    for number, delivered, at in ((1, False, NOW), (2, False, later), (2, True, later)):
        await record_attempt(catalog, delivery, number, at=at, delivered=delivered, again_at=later)
    logged = await catalog.deliveries.log.get(delivery.id)
    assert logged is not None
    assert [(one.number, one.sent_at, one.status_code, one.excerpt) for one in logged.attempts] == [
        (1, NOW, 500, "no"),
        (2, later, 204, "ok"),
    ]


async def test_a_client_reads_its_own_log_in_pages_newest_first(catalog: Catalog, client: str) -> None:
    made = [(await create_test_delivery(catalog, client)).id for _ in range(5)]
    await create_test_delivery(catalog, f"{client}-other")
    assert await list_ids(catalog, client) == made[::-1]
    pages: list[str] = []
    before = None
    while page := await catalog.deliveries.log.page(client, limit=2, before=before):
        assert len(page) <= 2
        pages += [logged.delivery.id for logged in page]
        before = page[-1].delivery.number
    assert pages == made[::-1]


async def test_the_log_is_filtered_by_status_process_and_time(catalog: Catalog, client: str, number: str) -> None:
    taken, refused, waiting = [await create_test_delivery(catalog, client) for _ in range(3)]
    await record_attempt(catalog, taken, delivered=True)
    await record_attempt(catalog, refused)
    run = RunOpening(number, await create_ended_run(catalog, number), "local")
    announced = await catalog.runs.subscribe(run, client, URL)
    assert announced is not None
    assert await list_ids(catalog, client, status=DeliveryStatus.DELIVERED) == [taken.id]
    assert await list_ids(catalog, client, status=DeliveryStatus.FAILED) == [refused.id]
    assert await list_ids(catalog, client, status=DeliveryStatus.PENDING) == [announced.id, waiting.id]
    assert await list_ids(catalog, client, process_number=number) == [announced.id]
    assert await list_ids(catalog, client, since=refused.created_at) == [announced.id, waiting.id, refused.id]


async def test_redelivery_keeps_the_id_and_continues_the_attempt_numbers(catalog: Catalog, client: str) -> None:
    delivery = await create_test_delivery(catalog, client)
    assert await catalog.deliveries.reopen(delivery.id) is None
    await record_attempt(catalog, delivery, 1, again_at=NOW)
    await record_attempt(catalog, delivery, 2)
    assert await catalog.deliveries.reopen(delivery.id) == DeliveryRef(delivery.id, delivery.number, 3)
    assert await catalog.deliveries.reopen(delivery.id) is None
    reopened = await read_delivery(catalog, delivery.id)
    assert (reopened.status, reopened.given_up_at) == (DeliveryStatus.PENDING, None)
    await record_attempt(catalog, delivery, 3, delivered=True)
    assert await catalog.deliveries.reopen(delivery.id) == DeliveryRef(delivery.id, delivery.number, 4)
    assert await catalog.deliveries.reopen("evt_none") is None


async def test_concurrent_redeliveries_reopen_it_once(catalog: Catalog, client: str) -> None:
    delivery = await create_test_delivery(catalog, client)
    await record_attempt(catalog, delivery)
    reopened = await asyncio.gather(*(catalog.deliveries.reopen(delivery.id) for _ in range(8)))
    assert [one for one in reopened if one] == [DeliveryRef(delivery.id, delivery.number, 2)]


async def test_failed_deliveries_since_a_time_are_reopened_in_hundreds(
    catalog: Catalog, database: Database, client: str
) -> None:
    made = [await create_test_delivery(catalog, client, f"{URL}/{place}") for place in range(103)]
    other = await create_test_delivery(catalog, f"{client}-other")
    await asyncio.gather(*(record_attempt(catalog, one) for one in (*made[1:], other)))
    # Given up before the requested time.
    await record_attempt(catalog, made[0], at=NOW - timedelta(minutes=1))

    first, more = await catalog.deliveries.reopen_failed(client, NOW)
    assert (len(first), more, {one.first_attempt for one in first}) == (100, True, {2})
    second, more = await catalog.deliveries.reopen_failed(client, NOW)
    assert more is False
    assert [one.id for one in (*first, *second)] == [one.id for one in made[1:]]
    assert await catalog.deliveries.reopen_failed(client, NOW) == ((), False)
    assert (await read_delivery(catalog, other.id)).status is DeliveryStatus.FAILED


async def make_due(database: Database, delivery: Delivery, at: datetime) -> None:
    """Set when a delivery's next attempt is due."""
    async with database.writing() as connection:
        await connection.execute(
            update(deliveries).where(deliveries.c.number == delivery.number).values(next_attempt_at=at)
        )


async def list_overdue_of(catalog: Catalog, client: str) -> list[DeliveryRef]:
    """Return the overdue deliveries of a client, from all pages."""
    found: list[DeliveryRef] = []
    request: OverdueRequest | None = OverdueRequest()
    while request is not None:
        page = await catalog.deliveries.list_overdue(request, by=timedelta(minutes=2))
        found += page.deliveries
        request = page.following
    return [one for one in found if (await read_delivery(catalog, one.id)).client == client]


async def test_an_overdue_attempt_is_found(catalog: Catalog, database: Database, client: str) -> None:
    waiting, late, tried, done = [await create_test_delivery(catalog, client) for _ in range(4)]
    hour_ago = datetime.now(UTC) - timedelta(hours=1)
    await record_attempt(catalog, tried, 3, again_at=hour_ago - timedelta(minutes=1))
    await record_attempt(catalog, done, delivered=True)
    await make_due(database, late, hour_ago)
    await make_due(database, waiting, datetime.now(UTC) - timedelta(minutes=1))
    assert await list_overdue_of(catalog, client) == [
        DeliveryRef(tried.id, tried.number, 4),
        DeliveryRef(late.id, late.number, 1),
    ]


async def test_overdue_deliveries_are_listed_in_pages(catalog: Catalog, database: Database, client: str) -> None:
    made = [await create_test_delivery(catalog, client) for _ in range(102)]
    hour_ago = datetime.now(UTC) - timedelta(hours=1)
    for delivery in made:
        await make_due(database, delivery, hour_ago)
    assert [one.id for one in await list_overdue_of(catalog, client)] == [one.id for one in made]


async def test_an_end_is_announced_again_on_request(catalog: Catalog, client: str, number: str) -> None:
    run = RunOpening(number, await create_ended_run(catalog, number), "local")

    announced = await catalog.runs.subscribe(run, client, URL, again=True)

    assert announced is not None
    delivery = await read_delivery(catalog, announced.id)
    assert (delivery.event_type, delivery.run_id) == (EventType.PROCESS_COMPLETED, run.run_id)
    # While it is pending, subscribing again changes nothing. Afterwards the same event is sent again.
    assert await catalog.runs.subscribe(run, client, URL, again=True) == announced
    await record_attempt(catalog, delivery, delivered=True)
    assert await catalog.runs.subscribe(run, client, URL, again=True) == DeliveryRef(
        announced.id, announced.number, 2
    )


async def test_concurrent_subscriptions_to_an_ended_run_create_one_delivery(
    catalog: Catalog, client: str, number: str
) -> None:
    run = RunOpening(number, await create_ended_run(catalog, number), "local")
    made = await asyncio.gather(*(catalog.runs.subscribe(run, client, URL, again=True) for _ in range(8)))
    assert len({one.id for one in made if one}) == 1


async def test_an_endpoint_that_fails_for_five_days_is_disabled_once(catalog: Catalog, client: str) -> None:
    delivery = await create_test_delivery(catalog, client)
    almost = NOW + timedelta(days=5) - timedelta(seconds=1)
    for day in range(5):
        at = NOW + timedelta(days=day)
        assert not await record_attempt(catalog, delivery, 1 + day, at=at, again_at=almost)
    assert not await record_attempt(catalog, delivery, 6, at=almost, again_at=almost)
    [endpoint] = await catalog.deliveries.endpoints.list_failing(client)
    assert (endpoint.url, endpoint.failing_since, endpoint.switched_off_at) == (URL, NOW, None)

    off_at = NOW + timedelta(days=5)
    assert await record_attempt(catalog, delivery, 7, at=off_at, again_at=off_at + timedelta(hours=1))

    # The delivery whose attempt disabled it is given up too.
    found = await read_delivery(catalog, delivery.id)
    assert (found.status, found.given_up_at, found.next_attempt_at) == (DeliveryStatus.FAILED, off_at, None)
    following = await create_test_delivery(catalog, client)
    event = await catalog.deliveries.get_event(following.id)
    assert event is not None
    assert event.endpoint_off
    assert not await record_attempt(catalog, following, at=off_at + timedelta(days=1))
    assert (await catalog.deliveries.endpoints.get(endpoint.id) or endpoint).switched_off_at == off_at

    await catalog.deliveries.endpoints.switch_on(endpoint.id)

    event = await catalog.deliveries.get_event(following.id)
    assert event is not None
    assert not event.endpoint_off
    # The five days start again.
    assert not await record_attempt(catalog, following, 2, at=off_at + timedelta(days=2))


async def test_a_failure_after_a_long_gap_starts_a_new_streak(catalog: Catalog, client: str) -> None:
    delivery = await create_test_delivery(catalog, client)
    await record_attempt(catalog, delivery, 1)
    later = NOW + timedelta(days=40)
    assert not await record_attempt(catalog, delivery, 2, at=later, again_at=later + timedelta(seconds=5))
    [endpoint] = await catalog.deliveries.endpoints.list_failing(client)
    assert (endpoint.failing_since, endpoint.switched_off_at) == (later, None)


async def test_an_unsent_attempt_is_no_failure_of_the_endpoint(catalog: Catalog, client: str) -> None:
    delivery = await create_test_delivery(catalog, client)
    unsent = SentAttempt(1, NOW, error=CLIENT_GONE)
    await catalog.deliveries.record_attempt(delivery, unsent, delivered=False, next_attempt_at=None)
    assert await catalog.deliveries.endpoints.list_failing(client) == []


async def test_the_log_shows_only_the_latest_attempts(catalog: Catalog, client: str) -> None:
    delivery, other = await create_test_delivery(catalog, client), await create_test_delivery(catalog, client)
    for number in range(1, MAX_LISTED_ATTEMPTS + 6):
        await record_attempt(catalog, delivery, number, again_at=NOW)
    await record_attempt(catalog, other, 1, again_at=NOW)
    newest, oldest = await catalog.deliveries.log.page(client, limit=2)
    assert [attempt.number for attempt in newest.attempts] == [1]
    assert [attempt.number for attempt in oldest.attempts] == list(range(6, MAX_LISTED_ATTEMPTS + 6))


async def test_a_success_in_between_keeps_an_endpoint_enabled(catalog: Catalog, client: str) -> None:
    delivery = await create_test_delivery(catalog, client)
    await record_attempt(catalog, delivery, 1)
    await record_attempt(catalog, delivery, 2, at=NOW + timedelta(days=4), delivered=True)
    assert await catalog.deliveries.endpoints.list_failing(client) == []
    assert not await record_attempt(catalog, delivery, 3, at=NOW + timedelta(days=6))


async def test_endpoints_are_separate_for_each_client(catalog: Catalog, client: str) -> None:
    delivery = await create_test_delivery(catalog, client)
    await record_attempt(catalog, delivery)
    await record_attempt(catalog, delivery, 2, at=NOW + timedelta(days=6))
    other = await catalog.deliveries.get_event((await create_test_delivery(catalog, f"{client}-other")).id)
    assert other is not None
    assert not other.endpoint_off
    assert await catalog.deliveries.endpoints.list_failing(f"{client}-other") == []


Query = Callable[[Catalog, str, str], Awaitable[Any]]
QUERIES: dict[str, tuple[Query, str]] = {
    "a page": (lambda log, client, _: log.deliveries.log.page(client, limit=9), "ix_webhook_deliveries_client"),
    "a page since a time": (
        lambda log, client, _: log.deliveries.log.page(client, limit=9, since=NOW),
        "ix_webhook_deliveries_client",
    ),
    "a page of a status": (
        lambda log, client, _: log.deliveries.log.page(client, limit=9, status=DeliveryStatus.FAILED),
        "ix_webhook_deliveries_client_status",
    ),
    "a page of a process": (
        lambda log, client, number: log.deliveries.log.page(client, limit=9, process_number=number),
        "ix_webhook_deliveries_process_number",
    ),
    "what is overdue": (
        lambda log, *_: log.deliveries.list_overdue(OverdueRequest(), by=timedelta(minutes=2)),
        "ix_webhook_deliveries_pending",
    ),
    "failing addresses": (
        lambda log, client, _: log.deliveries.endpoints.list_failing(client),
        "ix_webhook_failing_endpoints_client",
    ),
}


@pytest.fixture(scope="module")
async def client_with_long_log(database_url: str, catalog: Catalog) -> str:
    """Create a client with a long log, and run ANALYZE so that the planner knows the sizes."""
    client = f"client-{uuid4().hex[:12]}"
    for place in range(60):
        delivery = await create_test_delivery(catalog, client, f"{URL}/{place}")
        if place % 3:
            await record_attempt(catalog, delivery, delivered=place % 3 == 1)
    engine = create_async_engine(database_url, isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        await connection.execute(text("ANALYZE"))
    await engine.dispose()
    return client


@pytest.mark.parametrize(("query", "index"), QUERIES.values(), ids=QUERIES.keys())
async def test_queries_of_the_log_use_an_index_without_sorting(
    database: Database, catalog: Catalog, client_with_long_log: str, number: str, query: Query, index: str
) -> None:
    with statements() as said:
        await query(catalog, client_with_long_log, number)
    [first, *_] = [one for one in said if one.sql.startswith("SELECT")]
    found = await plan(database, first)
    assert index in found
    assert "Seq Scan" not in found
    # Postgres sorts the few rows of a test. SQLite shows whether the query needs sorting.
    assert "TEMP B-TREE" not in found
