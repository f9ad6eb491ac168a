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
from domain.webhooks import SUPERSEDED, Delivery, DeliveryStatus, EventType, SentAttempt

URL = "https://example.com/hook"


async def opened(catalog: Catalog, number: str) -> str:
    """Open a run; gives its id."""
    run_id = str(uuid4())
    await catalog.runs.open(RunOpening(number, run_id, "local"))
    return run_id


async def close(
    catalog: Catalog,
    number: str,
    run_id: str,
    *,
    outcome: Outcome = Outcome.COMPLETED,
    after: int = 0,
    execution: str = "",
) -> tuple[DeliveryRef, ...]:
    """Close a run; gives the deliveries to start."""
    closing = RunClosing(number, run_id, RunEnding(outcome), after, execution=execution)
    return (await catalog.runs.close(closing)).deliveries


async def subscribed(database: Database, number: str) -> int:
    """How many subscriptions a process has."""
    async with database.reading() as connection:
        count = await connection.scalar(
            select(func.count()).select_from(subscriptions).where(subscriptions.c.process_number == number)
        )
    return count or 0


async def subscribe(
    catalog: Catalog, number: str, run_id: str, url: str = URL, *, client: str = "local", again: bool = False
) -> DeliveryRef | None:
    """Have an address told of a run's end."""
    return await catalog.runs.subscribe(RunOpening(number, run_id, "local"), client, url, again=again)


async def delivered_urls(database: Database, number: str) -> list[str]:
    """The addresses that got a delivery."""
    async with database.reading() as connection:
        found = await connection.scalars(select(deliveries.c.url).where(deliveries.c.process_number == number))
        return sorted(found)


async def the_delivery(catalog: Catalog, number: str, outcome: Outcome = Outcome.COMPLETED) -> Delivery:
    """The one delivery of a run that has just ended."""
    run_id = await opened(catalog, number)
    await subscribe(catalog, number, run_id)
    [reference] = await close(catalog, number, run_id, outcome=outcome)
    return await again(catalog, reference.id)


async def again(catalog: Catalog, delivery_id: str) -> Delivery:
    """A delivery that has to be there."""
    event = await catalog.webhooks.event(delivery_id)
    assert event is not None
    return event.delivery


def attempt(number: int = 1, *, status_code: int | None = 200, error: str | None = None) -> SentAttempt:
    """One attempt."""
    return SentAttempt(number, datetime.now(UTC), status_code, 12, "ok", error)


async def test_an_address_that_asks_many_times_at_once_is_told_once(
    database: Database, catalog: Catalog, number: str
) -> None:
    run_id = await opened(catalog, number)
    await asyncio.gather(*(subscribe(catalog, number, run_id) for _ in range(20)))
    assert await subscribed(database, number) == 1
    assert len(await close(catalog, number, run_id)) == 1


async def test_two_clients_with_the_same_address_are_both_told(
    database: Database, catalog: Catalog, number: str
) -> None:
    run_id = await opened(catalog, number)
    for client, url in (("one", URL), ("other", URL), ("one", f"{URL}/2")):
        await subscribe(catalog, number, run_id, url, client=client)
    told = [await again(catalog, one.id) for one in await close(catalog, number, run_id)]
    assert [(one.client, one.url) for one in told] == [("one", URL), ("other", URL), ("one", f"{URL}/2")]


async def test_closing_again_gives_the_same_deliveries(catalog: Catalog, number: str) -> None:
    run_id = await opened(catalog, number)
    await subscribe(catalog, number, run_id)
    first = await close(catalog, number, run_id)
    assert await close(catalog, number, run_id) == first
    assert await close(catalog, number, run_id, after=first[-1].number) == ()


async def test_a_subscriber_is_told_of_the_run_that_it_is_bound_to_and_of_no_other(
    database: Database, catalog: Catalog, number: str
) -> None:
    first, second = await opened(catalog, number), str(uuid4())
    await subscribe(catalog, number, first)
    # Whoever has started the next run may not have told the catalog of it yet.
    await subscribe(catalog, number, second, f"{URL}/second")
    [told] = await close(catalog, number, first)
    assert (await again(catalog, told.id)).url == URL
    await catalog.runs.open(RunOpening(number, second, "local"))
    [told] = await close(catalog, number, second)
    assert (await again(catalog, told.id)).url == f"{URL}/second"


async def test_who_subscribes_between_the_end_and_its_completion_in_temporal_is_told(
    catalog: Catalog, number: str
) -> None:
    run_id = await opened(catalog, number)
    await subscribe(catalog, number, run_id)
    [first] = await close(catalog, number, run_id, outcome=Outcome.PARTIAL)

    late = await subscribe(catalog, number, run_id, f"{URL}/late")

    assert late is not None
    delivery = await again(catalog, late.id)
    assert (delivery.url, delivery.event_type) == (f"{URL}/late", EventType.of(Outcome.PARTIAL))
    # The run looks once more before it is over: it may start what the subscriber starts as well.
    assert await close(catalog, number, run_id, after=first.number) == (late,)
    # Whoever made it may have died before it was started.
    assert await subscribe(catalog, number, run_id, f"{URL}/late") == late
    await catalog.webhooks.record_attempt(delivery, attempt(), delivered=True, next_attempt_at=None)
    assert await subscribe(catalog, number, run_id, f"{URL}/late") is None
    assert await subscribe(catalog, number, run_id, f"{URL}/late", again=True) == DeliveryRef(
        late.id, late.number, 2
    )


async def test_closing_many_times_at_once_gives_each_subscription_one_delivery(
    database: Database, catalog: Catalog, number: str
) -> None:
    urls = [f"{URL}/{place:02}" for place in range(30)]
    run_id = await opened(catalog, number)
    await asyncio.gather(*(subscribe(catalog, number, run_id, url) for url in urls))
    await asyncio.gather(*(close(catalog, number, run_id) for _ in range(8)))
    assert await delivered_urls(database, number) == urls


async def test_subscribing_while_a_run_is_closed_loses_nobody(
    database: Database, catalog: Catalog, number: str
) -> None:
    urls = [f"{URL}/{place:02}" for place in range(30)]
    run_id = await opened(catalog, number)
    told = await asyncio.gather(
        *(subscribe(catalog, number, run_id, url) for url in urls[:15]),
        *(close(catalog, number, run_id) for _ in range(8)),
        *(subscribe(catalog, number, run_id, url) for url in urls[15:]),
    )
    # Nobody looks again: either the end has seen the subscription, or the subscriber has seen the end.
    assert await delivered_urls(database, number) == urls
    handed_out = {
        one.id for each in told if each is not None for one in ([each] if isinstance(each, DeliveryRef) else each)
    }
    assert len(handed_out) == 30


async def test_more_deliveries_than_a_page_come_page_by_page(catalog: Catalog, number: str) -> None:
    run_id = await opened(catalog, number)
    for place in range(101):
        await subscribe(catalog, number, run_id, f"{URL}/{place}")
    first = await close(catalog, number, run_id)
    rest = await close(catalog, number, run_id, after=first[-1].number)
    assert (len(first), len(rest)) == (100, 1)
    assert len({one.id for one in first + rest}) == 101


async def test_a_run_that_was_killed_is_announced_by_the_next_one_and_by_the_sweep(
    database: Database, catalog: Catalog, number: str
) -> None:
    killed, swept = await opened(catalog, number), str(uuid4())
    await subscribe(catalog, number, killed, f"{URL}/killed")
    await catalog.runs.open(RunOpening(number, swept, "local"))
    await subscribe(catalog, number, swept, f"{URL}/swept")
    [told] = await catalog.runs.close_killed(swept)
    assert (await again(catalog, told.id)).event_type is EventType.PROCESS_CANCELLED
    # Once, and an end that a run has said itself stays.
    assert await catalog.runs.close_killed(swept) == ()
    assert await delivered_urls(database, number) == [f"{URL}/killed", f"{URL}/swept"]


async def test_a_run_that_was_reset_in_temporal_tells_its_new_end(catalog: Catalog, number: str) -> None:
    run_id = await opened(catalog, number)
    await subscribe(catalog, number, run_id)
    [first] = await close(catalog, number, run_id, outcome=Outcome.CANCELLED, execution=run_id)
    # The same execution, and one that only goes on telling, end it once.
    assert not await catalog.runs.reopen(run_id, execution=run_id)
    assert await close(catalog, number, run_id, outcome=Outcome.CANCELLED, execution=run_id) == (first,)
    assert await catalog.runs.is_over(run_id)

    reset = str(uuid4())
    assert await catalog.runs.reopen(run_id, execution=reset)

    assert not await catalog.runs.is_over(run_id)
    event = await catalog.webhooks.event(first.id)
    assert event is not None
    # What was not sent yet is not sent any more: it would tell of an end that is none.
    assert event.refusal == SUPERSEDED
    [second] = await close(catalog, number, run_id, execution=reset)
    assert second.id != first.id
    told = await catalog.webhooks.event(second.id)
    assert told is not None
    assert told.run is not None
    assert (told.delivery.event_type, told.run.outcome, told.refusal) == (
        EventType.PROCESS_COMPLETED,
        Outcome.COMPLETED,
        None,
    )
    assert await close(catalog, number, run_id, execution=reset) == (second,)


async def test_a_run_that_is_reset_has_terminated_what_was_started_since(catalog: Catalog, number: str) -> None:
    run_id = await opened(catalog, number)
    await close(catalog, number, run_id, execution=run_id)
    later = await opened(catalog, number)
    await catalog.runs.open(RunOpening(number, run_id, "local"), execution=str(uuid4()))
    process = await catalog.processes.get(number)
    assert process is not None
    assert process.latest_run is not None
    assert (process.latest_run.id, process.latest_run.outcome) == (run_id, None)
    assert await catalog.runs.is_over(later)


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
