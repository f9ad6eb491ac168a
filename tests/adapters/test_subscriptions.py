"""Subscriptions become deliveries once each, whatever happens at the same time."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from sqlalchemy import func, select

from adapters.database import Catalog, Database
from adapters.database.webhook_tables import deliveries, subscriptions
from domain.completeness import Outcome
from domain.messages import DeliveryRef, RunClosing, RunEnding, RunOpening
from domain.webhooks import Delivery, DeliveryStatus, EventType, SentAttempt

URL = "https://example.com/hook"


async def opened(catalog: Catalog, number: str) -> str:
    """Open a run; gives its id."""
    run_id = str(uuid4())
    await catalog.runs.open(RunOpening(number, run_id, "local"))
    return run_id


async def close(
    catalog: Catalog, number: str, run_id: str, *, outcome: Outcome = Outcome.COMPLETED, after: int = 0
) -> tuple[DeliveryRef, ...]:
    """Close a run; gives the deliveries to start."""
    closing = RunClosing(number, run_id, RunEnding(outcome), after)
    return (await catalog.runs.close(closing)).deliveries


async def waiting(database: Database, number: str) -> int:
    """How many subscriptions wait for an end."""
    async with database.reading() as connection:
        count = await connection.scalar(
            select(func.count()).where(subscriptions.c.process_number == number, subscriptions.c.run_id.is_(None))
        )
    return count or 0


async def delivered_urls(database: Database, number: str) -> list[str]:
    """The addresses that got a delivery."""
    async with database.reading() as connection:
        found = await connection.scalars(select(deliveries.c.url).where(deliveries.c.process_number == number))
        return sorted(found)


async def the_delivery(catalog: Catalog, number: str, outcome: Outcome = Outcome.COMPLETED) -> Delivery:
    """The one delivery of a run that has just ended."""
    await catalog.webhooks.subscribe(number, "local", URL)
    [reference] = await close(catalog, number, await opened(catalog, number), outcome=outcome)
    return await again(catalog, reference.id)


async def again(catalog: Catalog, delivery_id: str) -> Delivery:
    """A delivery that has to be there."""
    event = await catalog.webhooks.event(delivery_id)
    assert event is not None
    return event.delivery


def attempt(number: int = 1, *, status_code: int | None = 200, error: str | None = None) -> SentAttempt:
    """One attempt."""
    return SentAttempt(number, datetime.now(UTC), status_code, 12, "ok", error)


async def test_an_address_that_asks_many_times_at_once_waits_once(
    database: Database, catalog: Catalog, number: str
) -> None:
    await asyncio.gather(*(catalog.webhooks.subscribe(number, "local", URL) for _ in range(20)))
    assert await waiting(database, number) == 1


async def test_each_client_and_address_waits_for_itself(database: Database, catalog: Catalog, number: str) -> None:
    for client, url in (("one", URL), ("other", URL), ("one", f"{URL}/2")):
        await catalog.webhooks.subscribe(number, client, url)
    assert await waiting(database, number) == 3


async def test_closing_turns_every_waiting_subscription_into_a_delivery(
    database: Database, catalog: Catalog, number: str
) -> None:
    for place in range(3):
        await catalog.webhooks.subscribe(number, "local", f"{URL}/{place}")
    found = await close(catalog, number, await opened(catalog, number))
    assert [(await again(catalog, one.id)).url for one in found] == [f"{URL}/{place}" for place in range(3)]
    assert [one.number for one in found] == sorted(one.number for one in found)
    assert await waiting(database, number) == 0


async def test_closing_again_gives_the_same_deliveries(catalog: Catalog, number: str) -> None:
    await catalog.webhooks.subscribe(number, "local", URL)
    run_id = await opened(catalog, number)
    first = await close(catalog, number, run_id)
    assert await close(catalog, number, run_id) == first
    assert await close(catalog, number, run_id, after=first[-1].number) == ()


async def test_who_was_told_of_an_end_and_asks_again_is_told_of_the_next_one(
    database: Database, catalog: Catalog, number: str
) -> None:
    await catalog.webhooks.subscribe(number, "local", URL)
    run_id = await opened(catalog, number)
    [first] = await close(catalog, number, run_id)
    await catalog.webhooks.subscribe(number, "local", URL)
    await catalog.webhooks.subscribe(number, "local", f"{URL}/late")
    # The run looks once more before it is over: it tells whom it has not told yet, and nobody twice.
    [late] = await close(catalog, number, run_id, after=first.number)
    assert (await again(catalog, late.id)).url == f"{URL}/late"
    assert await waiting(database, number) == 1
    [second] = await close(catalog, number, await opened(catalog, number))
    assert (await again(catalog, second.id)).url == URL


async def test_a_request_that_its_run_overtakes_leaves_nobody_waiting_who_was_told(
    database: Database, catalog: Catalog, number: str
) -> None:
    await catalog.webhooks.subscribe(number, "local", URL)
    run_id = await opened(catalog, number)
    [first] = await close(catalog, number, run_id)
    await catalog.webhooks.subscribe(number, "local", URL)
    assert [one.id for one in await catalog.runs.announce_ended(run_id)] == [first.id]
    assert await waiting(database, number) == 0


async def test_closing_many_times_at_once_gives_each_subscription_one_delivery(
    database: Database, catalog: Catalog, number: str
) -> None:
    urls = [f"{URL}/{place:02}" for place in range(30)]
    run_id = await opened(catalog, number)
    await asyncio.gather(*(catalog.webhooks.subscribe(number, "local", url) for url in urls))
    await asyncio.gather(*(close(catalog, number, run_id) for _ in range(8)))
    assert await delivered_urls(database, number) == urls


async def test_subscribing_while_a_run_is_closed_loses_nobody(
    database: Database, catalog: Catalog, number: str
) -> None:
    urls = [f"{URL}/{place:02}" for place in range(30)]
    run_id = await opened(catalog, number)
    await asyncio.gather(
        *(catalog.webhooks.subscribe(number, "local", url) for url in urls),
        *(close(catalog, number, run_id) for _ in range(8)),
    )
    await close(catalog, number, run_id)
    assert await delivered_urls(database, number) == urls


async def test_more_deliveries_than_a_page_come_page_by_page(catalog: Catalog, number: str) -> None:
    run_id = await opened(catalog, number)
    for place in range(101):
        await catalog.webhooks.subscribe(number, "local", f"{URL}/{place}")
    first = await close(catalog, number, run_id)
    rest = await close(catalog, number, run_id, after=first[-1].number)
    assert (len(first), len(rest)) == (100, 1)
    assert len({one.id for one in first + rest}) == 101


@pytest.mark.parametrize("outcome", Outcome)
async def test_a_delivery_announces_how_the_run_ended(catalog: Catalog, number: str, outcome: Outcome) -> None:
    delivery = await the_delivery(catalog, number, outcome)
    assert delivery.event_type is EventType.of(outcome)
    assert (delivery.process_number, delivery.client, delivery.url) == (number, "local", URL)
    assert delivery.status is DeliveryStatus.PENDING
    event = await catalog.webhooks.event(delivery.id)
    assert event is not None
    assert event.run is not None
    assert (event.run.id, event.run.outcome) == (delivery.run_id, outcome)


async def test_the_id_of_an_event_can_be_signed(catalog: Catalog, number: str) -> None:
    assert "." not in (await the_delivery(catalog, number)).id


async def test_an_unknown_delivery_is_none(catalog: Catalog) -> None:
    assert await catalog.webhooks.event("evt_none") is None


@pytest.mark.parametrize(
    ("delivered", "again_in", "status"),
    [
        (True, None, DeliveryStatus.DELIVERED),
        (False, None, DeliveryStatus.FAILED),
        (False, timedelta(minutes=5), DeliveryStatus.PENDING),
    ],
)
async def test_a_delivery_knows_what_has_become_of_it(
    catalog: Catalog, number: str, delivered: bool, again_in: timedelta | None, status: DeliveryStatus
) -> None:
    delivery = await the_delivery(catalog, number)
    sent = attempt()
    again_at = sent.sent_at + again_in if again_in else None
    await catalog.webhooks.record_attempt(delivery, sent, delivered=delivered, next_attempt_at=again_at)
    found = await again(catalog, delivery.id)
    assert (found.status, found.next_attempt_at) == (status, again_at)
    assert found.delivered_at == (sent.sent_at if status is DeliveryStatus.DELIVERED else None)
    assert found.given_up_at == (sent.sent_at if status is DeliveryStatus.FAILED else None)


async def test_a_subscription_that_comes_after_the_end_is_announced_by_the_run_that_ended(
    catalog: Catalog, database: Database, number: str
) -> None:
    run_id = await opened(catalog, number)
    await close(catalog, number, run_id, outcome=Outcome.PARTIAL)
    await catalog.webhooks.subscribe(number, "local", URL)

    [reference] = await catalog.runs.announce_ended(run_id)

    delivery = await again(catalog, reference.id)
    assert (delivery.event_type, delivery.run_id) == (EventType.of(Outcome.PARTIAL), run_id)
    assert await waiting(database, number) == 0
    # Whoever announced it may have died before the delivery was started.
    assert await catalog.runs.announce_ended(run_id) == (reference,)
    await catalog.webhooks.record_attempt(delivery, attempt(), delivered=False, next_attempt_at=None)
    assert await catalog.runs.announce_ended(run_id) == ()
