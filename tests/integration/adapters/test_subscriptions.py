"""Each subscription becomes exactly one delivery, whatever happens at the same time."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from sqlalchemy import func, select

from adapters.database import Catalog, Database
from adapters.database.webhook_tables import deliveries, subscriptions
from domain.completeness import Outcome
from domain.delivery_messages import DeliveryRef
from domain.run_messages import RunClosing, RunEnding, RunOpening
from domain.webhooks import SUPERSEDED, Delivery, DeliveryStatus, EventType, SentAttempt

URL = "https://example.com/hook"


async def open_run(catalog: Catalog, number: str) -> str:
    """Open a run and return its id."""
    run_id = str(uuid4())
    await catalog.runs.open(RunOpening(number, run_id, "local"))
    return run_id


async def close_run(
    catalog: Catalog,
    number: str,
    run_id: str,
    *,
    outcome: Outcome = Outcome.COMPLETED,
    after: int = 0,
    execution: str = "",
) -> tuple[DeliveryRef, ...]:
    """Close a run and return the deliveries to start."""
    closing = RunClosing(number, run_id, RunEnding(outcome), after, execution=execution)
    return (await catalog.runs.close(closing)).deliveries


async def count_subscriptions(database: Database, number: str) -> int:
    """Count the subscriptions of a process."""
    async with database.reading() as connection:
        count = await connection.scalar(
            select(func.count()).select_from(subscriptions).where(subscriptions.c.process_number == number)
        )
    return count or 0


async def subscribe(
    catalog: Catalog, number: str, run_id: str, url: str = URL, *, client: str = "local", again: bool = False
) -> DeliveryRef | None:
    """Subscribe a webhook URL to the end of a run."""
    return await catalog.runs.subscribe(RunOpening(number, run_id, "local"), client, url, again=again)


async def list_delivery_urls(database: Database, number: str) -> list[str]:
    """Return the sorted URLs that have a delivery."""
    async with database.reading() as connection:
        found = await connection.scalars(select(deliveries.c.url).where(deliveries.c.process_number == number))
        return sorted(found)


async def create_delivery(catalog: Catalog, number: str, outcome: Outcome = Outcome.COMPLETED) -> Delivery:
    """End a new run with one subscription, and return its delivery."""
    run_id = await open_run(catalog, number)
    await subscribe(catalog, number, run_id)
    [reference] = await close_run(catalog, number, run_id, outcome=outcome)
    return await read_delivery(catalog, reference.id)


async def read_delivery(catalog: Catalog, delivery_id: str) -> Delivery:
    """Return a delivery that must exist."""
    event = await catalog.deliveries.get_event(delivery_id)
    assert event is not None
    return event.delivery


def build_attempt(number: int = 1, *, status_code: int | None = 200, error: str | None = None) -> SentAttempt:
    """Build an attempt."""
    return SentAttempt(number, datetime.now(UTC), status_code, 12, "ok", error)


async def test_a_url_subscribed_many_times_at_once_is_notified_once(
    database: Database, catalog: Catalog, number: str
) -> None:
    run_id = await open_run(catalog, number)
    await asyncio.gather(*(subscribe(catalog, number, run_id) for _ in range(20)))
    assert await count_subscriptions(database, number) == 1
    assert len(await close_run(catalog, number, run_id)) == 1


async def test_two_clients_with_the_same_url_are_both_notified(
    database: Database, catalog: Catalog, number: str
) -> None:
    run_id = await open_run(catalog, number)
    for client, url in (("one", URL), ("other", URL), ("one", f"{URL}/2")):
        await subscribe(catalog, number, run_id, url, client=client)
    created = [await read_delivery(catalog, ref.id) for ref in await close_run(catalog, number, run_id)]
    assert [(delivery.client, delivery.url) for delivery in created] == [
        ("one", URL),
        ("other", URL),
        ("one", f"{URL}/2"),
    ]


async def test_closing_again_returns_the_same_deliveries(catalog: Catalog, number: str) -> None:
    run_id = await open_run(catalog, number)
    await subscribe(catalog, number, run_id)
    first = await close_run(catalog, number, run_id)
    assert await close_run(catalog, number, run_id) == first
    assert await close_run(catalog, number, run_id, after=first[-1].number) == ()


async def test_a_subscriber_is_notified_of_its_own_run_only(
    database: Database, catalog: Catalog, number: str
) -> None:
    first, second = await open_run(catalog, number), str(uuid4())
    await subscribe(catalog, number, first)
    # The next run may have been started, but not recorded in the catalog yet.
    await subscribe(catalog, number, second, f"{URL}/second")
    [delivery] = await close_run(catalog, number, first)
    assert (await read_delivery(catalog, delivery.id)).url == URL
    await catalog.runs.open(RunOpening(number, second, "local"))
    [delivery] = await close_run(catalog, number, second)
    assert (await read_delivery(catalog, delivery.id)).url == f"{URL}/second"


async def test_subscribing_between_the_recorded_end_and_its_end_in_temporal_notifies(
    catalog: Catalog, number: str
) -> None:
    run_id = await open_run(catalog, number)
    await subscribe(catalog, number, run_id)
    [first] = await close_run(catalog, number, run_id, outcome=Outcome.PARTIAL)

    late = await subscribe(catalog, number, run_id, f"{URL}/late")

    assert late is not None
    delivery = await read_delivery(catalog, late.id)
    assert (delivery.url, delivery.event_type) == (f"{URL}/late", EventType.of(Outcome.PARTIAL))
    # The run reads its deliveries once more before it ends, so it may start the same delivery as the subscriber.
    assert await close_run(catalog, number, run_id, after=first.number) == (late,)
    # The subscriber may have died before it started the delivery.
    assert await subscribe(catalog, number, run_id, f"{URL}/late") == late
    await catalog.deliveries.record_attempt(delivery, build_attempt(), delivered=True, next_attempt_at=None)
    assert await subscribe(catalog, number, run_id, f"{URL}/late") is None
    assert await subscribe(catalog, number, run_id, f"{URL}/late", again=True) == DeliveryRef(
        late.id, late.number, 2
    )


async def test_closing_many_times_at_once_gives_each_subscription_one_delivery(
    database: Database, catalog: Catalog, number: str
) -> None:
    urls = [f"{URL}/{place:02}" for place in range(30)]
    run_id = await open_run(catalog, number)
    await asyncio.gather(*(subscribe(catalog, number, run_id, url) for url in urls))
    await asyncio.gather(*(close_run(catalog, number, run_id) for _ in range(8)))
    assert await list_delivery_urls(database, number) == urls


async def test_subscribing_while_a_run_is_closed_loses_no_subscriber(
    database: Database, catalog: Catalog, number: str
) -> None:
    urls = [f"{URL}/{place:02}" for place in range(30)]
    run_id = await open_run(catalog, number)
    results = await asyncio.gather(
        *(subscribe(catalog, number, run_id, url) for url in urls[:15]),
        *(close_run(catalog, number, run_id) for _ in range(8)),
        *(subscribe(catalog, number, run_id, url) for url in urls[15:]),
    )
    # There is no second look: either the end sees the subscription, or the subscriber sees the end.
    assert await list_delivery_urls(database, number) == urls
    handed_out = {
        one.id
        for each in results
        if each is not None
        for one in ([each] if isinstance(each, DeliveryRef) else each)
    }
    assert len(handed_out) == 30


async def test_deliveries_are_listed_in_pages(catalog: Catalog, number: str) -> None:
    run_id = await open_run(catalog, number)
    for place in range(101):
        await subscribe(catalog, number, run_id, f"{URL}/{place}")
    first = await close_run(catalog, number, run_id)
    rest = await close_run(catalog, number, run_id, after=first[-1].number)
    assert (len(first), len(rest)) == (100, 1)
    assert len({one.id for one in first + rest}) == 101


async def test_a_killed_run_is_announced_by_the_next_run_and_by_the_sweep(
    database: Database, catalog: Catalog, number: str
) -> None:
    killed, swept = await open_run(catalog, number), str(uuid4())
    await subscribe(catalog, number, killed, f"{URL}/killed")
    await catalog.runs.open(RunOpening(number, swept, "local"))
    await subscribe(catalog, number, swept, f"{URL}/swept")
    [delivery] = await catalog.runs.close_killed(swept)
    assert (await read_delivery(catalog, delivery.id)).event_type is EventType.PROCESS_CANCELLED
    # Only once, and an end that a run has recorded itself stays.
    assert await catalog.runs.close_killed(swept) == ()
    assert await list_delivery_urls(database, number) == [f"{URL}/killed", f"{URL}/swept"]


async def test_a_run_reset_in_temporal_announces_its_new_end(catalog: Catalog, number: str) -> None:
    run_id = await open_run(catalog, number)
    await subscribe(catalog, number, run_id)
    [first] = await close_run(catalog, number, run_id, outcome=Outcome.CANCELLED, execution=run_id)
    # The same execution ends it only once, also when it closes it again for further pages.
    assert not await catalog.runs.reopen(run_id, execution=run_id)
    assert await close_run(catalog, number, run_id, outcome=Outcome.CANCELLED, execution=run_id) == (first,)
    assert await catalog.runs.has_ended(run_id)

    reset = str(uuid4())
    assert await catalog.runs.reopen(run_id, execution=reset)

    assert not await catalog.runs.has_ended(run_id)
    event = await catalog.deliveries.get_event(first.id)
    assert event is not None
    # A delivery that was not sent yet is superseded: it would report an end that was removed.
    assert event.refusal == SUPERSEDED
    [second] = await close_run(catalog, number, run_id, execution=reset)
    assert second.id != first.id
    event = await catalog.deliveries.get_event(second.id)
    assert event is not None
    assert event.run is not None
    assert (event.delivery.event_type, event.run.outcome, event.refusal) == (
        EventType.PROCESS_COMPLETED,
        Outcome.COMPLETED,
        None,
    )
    assert await close_run(catalog, number, run_id, execution=reset) == (second,)


async def test_a_reset_closes_runs_that_were_started_since(catalog: Catalog, number: str) -> None:
    run_id = await open_run(catalog, number)
    await close_run(catalog, number, run_id, execution=run_id)
    later = await open_run(catalog, number)
    await catalog.runs.open(RunOpening(number, run_id, "local"), execution=str(uuid4()))
    process = await catalog.processes.get(number)
    assert process is not None
    assert process.latest_run is not None
    assert (process.latest_run.id, process.latest_run.outcome) == (run_id, None)
    assert await catalog.runs.has_ended(later)


@pytest.mark.parametrize("outcome", Outcome)
async def test_a_delivery_announces_how_the_run_ended(catalog: Catalog, number: str, outcome: Outcome) -> None:
    delivery = await create_delivery(catalog, number, outcome)
    assert delivery.event_type is EventType.of(outcome)
    assert (delivery.process_number, delivery.client, delivery.url) == (number, "local", URL)
    assert delivery.status is DeliveryStatus.PENDING
    event = await catalog.deliveries.get_event(delivery.id)
    assert event is not None
    assert event.run is not None
    assert (event.run.id, event.run.outcome) == (delivery.run_id, outcome)


async def test_the_id_of_an_event_can_be_signed(catalog: Catalog, number: str) -> None:
    assert "." not in (await create_delivery(catalog, number)).id


async def test_an_unknown_delivery_is_none(catalog: Catalog) -> None:
    assert await catalog.deliveries.get_event("evt_none") is None


@pytest.mark.parametrize(
    ("delivered", "again_in", "status"),
    [
        (True, None, DeliveryStatus.DELIVERED),
        (False, None, DeliveryStatus.FAILED),
        (False, timedelta(minutes=5), DeliveryStatus.PENDING),
    ],
)
async def test_a_delivery_holds_the_result_of_its_attempt(
    catalog: Catalog, number: str, delivered: bool, again_in: timedelta | None, status: DeliveryStatus
) -> None:
    delivery = await create_delivery(catalog, number)
    sent = build_attempt()
    again_at = sent.sent_at + again_in if again_in else None
    await catalog.deliveries.record_attempt(delivery, sent, delivered=delivered, next_attempt_at=again_at)
    found = await read_delivery(catalog, delivery.id)
    assert (found.status, found.next_attempt_at) == (status, again_at)
    assert found.delivered_at == (sent.sent_at if status is DeliveryStatus.DELIVERED else None)
    assert found.given_up_at == (sent.sent_at if status is DeliveryStatus.FAILED else None)
