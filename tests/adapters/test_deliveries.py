"""The log of deliveries: read by its owner, sent again on request, and closed to dead addresses."""

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
from domain.messages import DeliveryRef, OverdueRequest, RunClosing, RunEnding, RunOpening
from domain.webhooks import CLIENT_GONE, SHOWN_ATTEMPTS, Delivery, DeliveryStatus, EventType, SentAttempt
from tests.support.statements import plan, statements

URL = "https://example.com/hook"
NOW = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)


@pytest.fixture
def client() -> str:
    """A client that no other test uses."""
    return f"client-{uuid4().hex[:12]}"


async def trial(catalog: Catalog, client: str, url: str = URL) -> Delivery:
    """A delivery of a test event."""
    return await read(catalog, (await catalog.webhooks.announce_test(client, url)).id)


async def read(catalog: Catalog, delivery_id: str) -> Delivery:
    """A delivery that has to be there."""
    logged = await catalog.webhooks.log.get(delivery_id)
    assert logged is not None
    return logged.delivery


async def ended(catalog: Catalog, number: str, outcome: Outcome = Outcome.COMPLETED) -> str:
    """A run that has ended; gives its id."""
    run_id = str(uuid4())
    await catalog.runs.open(RunOpening(number, run_id, "local"))
    await catalog.runs.close(RunClosing(number, run_id, RunEnding(outcome)))
    return run_id


async def attempted(
    catalog: Catalog,
    delivery: Delivery,
    number: int = 1,
    *,
    at: datetime = NOW,
    delivered: bool = False,
    again_at: datetime | None = None,
) -> bool:
    """Log an attempt; whether it had the address switched off."""
    sent = SentAttempt(number, at, 204 if delivered else 500, 12, "ok" if delivered else "no")
    return await catalog.webhooks.record_attempt(delivery, sent, delivered=delivered, next_attempt_at=again_at)


async def ids(catalog: Catalog, client: str, **filters: Any) -> list[str]:
    """The ids on one page of a client's log."""
    page = await catalog.webhooks.log.page(client, **{"limit": 50, **filters})
    return [logged.delivery.id for logged in page]


async def test_a_test_has_neither_run_nor_process(catalog: Catalog, client: str) -> None:
    delivery = await trial(catalog, client)
    assert (delivery.event_type, delivery.status) == (EventType.WEBHOOK_TEST, DeliveryStatus.PENDING)
    assert (delivery.run_id, delivery.process_number) == (None, None)
    event = await catalog.webhooks.event(delivery.id)
    assert event is not None
    assert (event.run, event.endpoint_off) == (None, False)
    assert "." not in delivery.id


async def test_every_attempt_is_logged_and_the_same_one_once(catalog: Catalog, client: str) -> None:
    delivery = await trial(catalog, client)
    later = NOW + timedelta(seconds=5)
    for number, delivered, at in ((1, False, NOW), (2, False, later), (2, True, later)):
        await attempted(catalog, delivery, number, at=at, delivered=delivered, again_at=later)
    logged = await catalog.webhooks.log.get(delivery.id)
    assert logged is not None
    assert [(one.number, one.sent_at, one.status_code, one.excerpt) for one in logged.attempts] == [
        (1, NOW, 500, "no"),
        (2, later, 204, "ok"),
    ]


async def test_a_client_reads_its_own_log_page_by_page_the_newest_first(catalog: Catalog, client: str) -> None:
    made = [(await trial(catalog, client)).id for _ in range(5)]
    await trial(catalog, f"{client}-other")
    assert await ids(catalog, client) == made[::-1]
    pages: list[str] = []
    before = None
    while page := await catalog.webhooks.log.page(client, limit=2, before=before):
        assert len(page) <= 2
        pages += [logged.delivery.id for logged in page]
        before = page[-1].delivery.number
    assert pages == made[::-1]


async def test_the_log_is_filtered_by_status_process_and_time(catalog: Catalog, client: str, number: str) -> None:
    taken, refused, waiting = [await trial(catalog, client) for _ in range(3)]
    await attempted(catalog, taken, delivered=True)
    await attempted(catalog, refused)
    run = RunOpening(number, await ended(catalog, number), "local")
    announced = await catalog.runs.subscribe(run, client, URL)
    assert announced is not None
    assert await ids(catalog, client, status=DeliveryStatus.DELIVERED) == [taken.id]
    assert await ids(catalog, client, status=DeliveryStatus.FAILED) == [refused.id]
    assert await ids(catalog, client, status=DeliveryStatus.PENDING) == [announced.id, waiting.id]
    assert await ids(catalog, client, process_number=number) == [announced.id]
    assert await ids(catalog, client, since=refused.created_at) == [announced.id, waiting.id, refused.id]


async def test_what_has_ended_is_sent_again_under_its_id_and_its_attempts_count_on(
    catalog: Catalog, client: str
) -> None:
    delivery = await trial(catalog, client)
    assert await catalog.webhooks.reopen(delivery.id) is None
    await attempted(catalog, delivery, 1, again_at=NOW)
    await attempted(catalog, delivery, 2)
    assert await catalog.webhooks.reopen(delivery.id) == DeliveryRef(delivery.id, delivery.number, 3)
    assert await catalog.webhooks.reopen(delivery.id) is None
    reopened = await read(catalog, delivery.id)
    assert (reopened.status, reopened.given_up_at) == (DeliveryStatus.PENDING, None)
    await attempted(catalog, delivery, 3, delivered=True)
    assert await catalog.webhooks.reopen(delivery.id) == DeliveryRef(delivery.id, delivery.number, 4)
    assert await catalog.webhooks.reopen("evt_none") is None


async def test_many_who_ask_for_it_at_once_have_it_sent_again_once(catalog: Catalog, client: str) -> None:
    delivery = await trial(catalog, client)
    await attempted(catalog, delivery)
    reopened = await asyncio.gather(*(catalog.webhooks.reopen(delivery.id) for _ in range(8)))
    assert [one for one in reopened if one] == [DeliveryRef(delivery.id, delivery.number, 2)]


async def test_all_that_failed_since_a_time_is_sent_again_a_hundred_at_a_time(
    catalog: Catalog, database: Database, client: str
) -> None:
    made = [await trial(catalog, client, f"{URL}/{place}") for place in range(103)]
    other = await trial(catalog, f"{client}-other")
    await asyncio.gather(*(attempted(catalog, one) for one in (*made[1:], other)))
    # Given up before the time that is asked for.
    await attempted(catalog, made[0], at=NOW - timedelta(minutes=1))

    first, more = await catalog.webhooks.reopen_failed(client, NOW)
    assert (len(first), more, {one.first_attempt for one in first}) == (100, True, {2})
    second, more = await catalog.webhooks.reopen_failed(client, NOW)
    assert more is False
    assert [one.id for one in (*first, *second)] == [one.id for one in made[1:]]
    assert await catalog.webhooks.reopen_failed(client, NOW) == ((), False)
    assert (await read(catalog, other.id)).status is DeliveryStatus.FAILED


async def make_due(database: Database, delivery: Delivery, at: datetime) -> None:
    """Have a delivery's next attempt be due at a time."""
    async with database.writing() as connection:
        await connection.execute(
            update(deliveries).where(deliveries.c.number == delivery.number).values(next_attempt_at=at)
        )


async def overdue(catalog: Catalog, client: str) -> list[DeliveryRef]:
    """The overdue deliveries of a client, over all pages."""
    found: list[DeliveryRef] = []
    request: OverdueRequest | None = OverdueRequest()
    while request is not None:
        page = await catalog.webhooks.overdue(request, by=timedelta(minutes=2))
        found += page.deliveries
        request = page.following
    return [one for one in found if (await read(catalog, one.id)).client == client]


async def test_an_attempt_that_nobody_makes_is_found(catalog: Catalog, database: Database, client: str) -> None:
    waiting, late, tried, done = [await trial(catalog, client) for _ in range(4)]
    hour_ago = datetime.now(UTC) - timedelta(hours=1)
    await attempted(catalog, tried, 3, again_at=hour_ago - timedelta(minutes=1))
    await attempted(catalog, done, delivered=True)
    await make_due(database, late, hour_ago)
    await make_due(database, waiting, datetime.now(UTC) - timedelta(minutes=1))
    assert await overdue(catalog, client) == [
        DeliveryRef(tried.id, tried.number, 4),
        DeliveryRef(late.id, late.number, 1),
    ]


async def test_what_is_overdue_comes_page_by_page(catalog: Catalog, database: Database, client: str) -> None:
    made = [await trial(catalog, client) for _ in range(102)]
    hour_ago = datetime.now(UTC) - timedelta(hours=1)
    for delivery in made:
        await make_due(database, delivery, hour_ago)
    assert [one.id for one in await overdue(catalog, client)] == [one.id for one in made]


async def test_the_end_of_a_run_is_told_again_on_request(catalog: Catalog, client: str, number: str) -> None:
    run = RunOpening(number, await ended(catalog, number), "local")

    announced = await catalog.runs.subscribe(run, client, URL, again=True)

    assert announced is not None
    delivery = await read(catalog, announced.id)
    assert (delivery.event_type, delivery.run_id) == (EventType.PROCESS_COMPLETED, run.run_id)
    # As long as it is on its way, asking again changes nothing; then the same event is sent again.
    assert await catalog.runs.subscribe(run, client, URL, again=True) == announced
    await attempted(catalog, delivery, delivered=True)
    assert await catalog.runs.subscribe(run, client, URL, again=True) == DeliveryRef(
        announced.id, announced.number, 2
    )


async def test_many_who_ask_at_once_for_the_same_event_get_one(catalog: Catalog, client: str, number: str) -> None:
    run = RunOpening(number, await ended(catalog, number), "local")
    made = await asyncio.gather(*(catalog.runs.subscribe(run, client, URL, again=True) for _ in range(8)))
    assert len({one.id for one in made if one}) == 1


async def test_an_address_that_takes_nothing_for_five_days_is_switched_off_once(
    catalog: Catalog, client: str
) -> None:
    delivery = await trial(catalog, client)
    almost = NOW + timedelta(days=5) - timedelta(seconds=1)
    for day in range(5):
        at = NOW + timedelta(days=day)
        assert not await attempted(catalog, delivery, 1 + day, at=at, again_at=almost)
    assert not await attempted(catalog, delivery, 6, at=almost, again_at=almost)
    [endpoint] = await catalog.webhooks.endpoints.of(client)
    assert (endpoint.url, endpoint.failing_since, endpoint.switched_off_at) == (URL, NOW, None)

    off_at = NOW + timedelta(days=5)
    assert await attempted(catalog, delivery, 7, at=off_at, again_at=off_at + timedelta(hours=1))

    # The delivery that found it out is given up with it.
    found = await read(catalog, delivery.id)
    assert (found.status, found.given_up_at, found.next_attempt_at) == (DeliveryStatus.FAILED, off_at, None)
    following = await trial(catalog, client)
    event = await catalog.webhooks.event(following.id)
    assert event is not None
    assert event.endpoint_off
    assert not await attempted(catalog, following, at=off_at + timedelta(days=1))
    assert (await catalog.webhooks.endpoints.get(endpoint.id) or endpoint).switched_off_at == off_at

    await catalog.webhooks.endpoints.switch_on(endpoint.id)

    event = await catalog.webhooks.event(following.id)
    assert event is not None
    assert not event.endpoint_off
    # The five days begin anew.
    assert not await attempted(catalog, following, 2, at=off_at + timedelta(days=2))


async def test_an_old_failure_does_not_count_when_the_next_comes_weeks_later(catalog: Catalog, client: str) -> None:
    delivery = await trial(catalog, client)
    await attempted(catalog, delivery, 1)
    later = NOW + timedelta(days=40)
    assert not await attempted(catalog, delivery, 2, at=later, again_at=later + timedelta(seconds=5))
    [endpoint] = await catalog.webhooks.endpoints.of(client)
    assert (endpoint.failing_since, endpoint.switched_off_at) == (later, None)


async def test_what_was_not_sent_is_no_failure_of_the_address(catalog: Catalog, client: str) -> None:
    delivery = await trial(catalog, client)
    unsent = SentAttempt(1, NOW, error=CLIENT_GONE)
    await catalog.webhooks.record_attempt(delivery, unsent, delivered=False, next_attempt_at=None)
    assert await catalog.webhooks.endpoints.of(client) == []


async def test_the_log_shows_the_latest_attempts_however_many_there_were(catalog: Catalog, client: str) -> None:
    delivery, other = await trial(catalog, client), await trial(catalog, client)
    for number in range(1, SHOWN_ATTEMPTS + 6):
        await attempted(catalog, delivery, number, again_at=NOW)
    await attempted(catalog, other, 1, again_at=NOW)
    newest, oldest = await catalog.webhooks.log.page(client, limit=2)
    assert [attempt.number for attempt in newest.attempts] == [1]
    assert [attempt.number for attempt in oldest.attempts] == list(range(6, SHOWN_ATTEMPTS + 6))


async def test_one_success_in_between_keeps_an_address_on(catalog: Catalog, client: str) -> None:
    delivery = await trial(catalog, client)
    await attempted(catalog, delivery, 1)
    await attempted(catalog, delivery, 2, at=NOW + timedelta(days=4), delivered=True)
    assert await catalog.webhooks.endpoints.of(client) == []
    assert not await attempted(catalog, delivery, 3, at=NOW + timedelta(days=6))


async def test_the_addresses_of_one_client_are_no_other_clients(catalog: Catalog, client: str) -> None:
    delivery = await trial(catalog, client)
    await attempted(catalog, delivery)
    await attempted(catalog, delivery, 2, at=NOW + timedelta(days=6))
    other = await catalog.webhooks.event((await trial(catalog, f"{client}-other")).id)
    assert other is not None
    assert not other.endpoint_off
    assert await catalog.webhooks.endpoints.of(f"{client}-other") == []


Ask = Callable[[Catalog, str, str], Awaitable[Any]]
QUERIES: dict[str, tuple[Ask, str]] = {
    "a page": (lambda log, client, _: log.webhooks.log.page(client, limit=9), "ix_webhook_deliveries_client"),
    "a page since a time": (
        lambda log, client, _: log.webhooks.log.page(client, limit=9, since=NOW),
        "ix_webhook_deliveries_client",
    ),
    "a page of a status": (
        lambda log, client, _: log.webhooks.log.page(client, limit=9, status=DeliveryStatus.FAILED),
        "ix_webhook_deliveries_client_status",
    ),
    "a page of a process": (
        lambda log, client, number: log.webhooks.log.page(client, limit=9, process_number=number),
        "ix_webhook_deliveries_process_number",
    ),
    "what is overdue": (
        lambda log, *_: log.webhooks.overdue(OverdueRequest(), by=timedelta(minutes=2)),
        "ix_webhook_deliveries_pending",
    ),
    "failing addresses": (
        lambda log, client, _: log.webhooks.endpoints.of(client),
        "ix_webhook_failing_endpoints_client",
    ),
}


@pytest.fixture(scope="module")
async def crowd(database_url: str, catalog: Catalog) -> str:
    """A client with a long log, in a database that knows its own size."""
    client = f"client-{uuid4().hex[:12]}"
    for place in range(60):
        delivery = await trial(catalog, client, f"{URL}/{place}")
        if place % 3:
            await attempted(catalog, delivery, delivered=place % 3 == 1)
    engine = create_async_engine(database_url, isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        await connection.execute(text("ANALYZE"))
    await engine.dispose()
    return client


@pytest.mark.parametrize(("ask", "index"), QUERIES.values(), ids=QUERIES.keys())
async def test_the_log_is_answered_from_an_index_without_sorting(
    database: Database, catalog: Catalog, crowd: str, number: str, ask: Ask, index: str
) -> None:
    with statements() as said:
        await ask(catalog, crowd, number)
    [first, *_] = [one for one in said if one.sql.startswith("SELECT")]
    found = await plan(database, first)
    assert index in found
    assert "Seq Scan" not in found
    # Postgres sorts the few rows that a test has; SQLite says whether it would have to.
    assert "TEMP B-TREE" not in found
