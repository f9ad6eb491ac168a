"""Transactional outbox: events and deliveries are rows, written in the same transaction as what they report."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid5

from sqlalchemy import ColumnElement, Row, exists, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.database.upserts import insert_into
from adapters.database.watch_tables import event_counters, events, run_followers
from adapters.database.webhook_tables import attempts, deliveries, subscriptions
from domain.completeness import Outcome
from domain.delivery_messages import DeliveryRef
from domain.webhooks import DeliveryStatus, EventType


@dataclass(frozen=True, slots=True)
class NewEvent:
    """An event to be written.

    Attributes:
        id: The event's id, which is also that of its delivery.
        run_id: The run that it belongs to. None for a bundle.
        run_end: Which end of the run.
        details: For an event of a watch or of a bundle, what it tells.
        url: Where it is sent. None: it is in the client's list of events alone.
        subscription_id: The subscription that it answers.
    """

    client: str
    id: str
    type: EventType
    process_number: str
    run_id: str | None = None
    run_end: int | None = None
    details: dict[str, Any] = field(default_factory=dict)
    url: str | None = None
    subscription_id: int | None = None


async def publish(connection: AsyncConnection, new: Iterable[NewEvent]) -> None:
    """Write events, and the deliveries of those with an address, as a part of the transaction that they report.

    This is the only place that writes events of runs, watches and bundles. Call it once in a transaction, near its
    end: it locks the counters of all its clients, in the order of their names, until the transaction ends. So an
    event becomes visible only after those with lower numbers, and two transactions never wait for each other.
    """
    ordered = list(new)
    by_client: dict[str, list[NewEvent]] = {}
    for event in ordered:
        by_client.setdefault(event.client, []).append(event)
    now = datetime.now(UTC)
    rows: list[dict[str, Any]] = []
    for client in sorted(by_client):
        last = await _take_numbers(connection, client, len(by_client[client]))
        for number, event in enumerate(by_client[client], start=last - len(by_client[client]) + 1):
            rows.append(
                {
                    "client": client,
                    "number": number,
                    "id": event.id,
                    "event_type": event.type,
                    "process_number": event.process_number,
                    "run_id": event.run_id,
                    "run_end": event.run_end,
                    "details": event.details,
                    "created_at": now,
                }
            )
    if rows:
        # An event may outlive its delivery. Whoever subscribes again is sent the same event.
        await connection.execute(
            insert_into(connection, events).on_conflict_do_nothing(index_elements=["id"]), rows
        )
    sent = [_to_delivery_row(event, now) for event in ordered if event.url]
    if sent:
        await connection.execute(insert(deliveries), sent)


async def _take_numbers(connection: AsyncConnection, client: str, amount: int) -> int:
    """Lock a client's counter, and advance it. Returns the last of the new numbers."""
    counted = (
        insert_into(connection, event_counters)
        .values(client=client, last_number=amount)
        .on_conflict_do_update(
            index_elements=["client"], set_={"last_number": event_counters.c.last_number + amount}
        )
        .returning(event_counters.c.last_number)
    )
    return int((await connection.execute(counted)).scalar_one())


def _to_delivery_row(event: NewEvent, now: datetime) -> dict[str, Any]:
    return {
        "id": event.id,
        "subscription_id": event.subscription_id,
        "run_id": event.run_id,
        "run_end": event.run_end,
        "process_number": event.process_number,
        "client": event.client,
        "url": event.url,
        "event_type": event.type,
        "created_at": now,
        "next_attempt_at": now,
    }


async def find_unannounced(connection: AsyncConnection, run: Row[Any]) -> list[NewEvent]:
    """Return an event for each subscription of a run that has none for the run's current end.

    It is called when an end is recorded, and when somebody subscribes to a run that has ended. Both callers hold
    the lock on the run's row: either the end sees the subscription, or the subscriber sees the end.

    Args:
        connection: The transaction that holds the lock.
        run: The current row of ``runs``. There are no events while it has no outcome.
    """
    if run.outcome is None:
        return []
    has_delivery = exists().where(
        deliveries.c.subscription_id == subscriptions.c.id, deliveries.c.run_end == run.end_count
    )
    pending = await connection.execute(
        select(subscriptions).where(subscriptions.c.run_id == run.id, ~has_delivery).order_by(subscriptions.c.id)
    )
    return [
        _end_of(run, one.client, f"{one.client} {one.url}", url=one.url, subscription_id=one.id) for one in pending
    ]


async def find_followers(connection: AsyncConnection, run: Row[Any], client: str | None = None) -> list[NewEvent]:
    """Return an event for each client that follows a run without a webhook, if it has none for the current end.

    Whoever started a run follows it, unless it is a look. Whoever has joined it follows it as well.

    Args:
        connection: The transaction that holds the lock on the run.
        run: The current row of ``runs``. There are no events while it has no outcome.
        client: Only this client. None means all.
    """
    if run.outcome is None:
        return []
    found = await connection.scalars(select(run_followers.c.client).where(run_followers.c.run_id == run.id))
    clients = {*found, *([] if run.is_look else [run.client])}
    if client is not None:
        clients &= {client}
    new = [_end_of(run, one, f"client {one}") for one in sorted(clients)]
    ids = [event.id for event in new]
    told = set(await connection.scalars(select(events.c.id).where(events.c.id.in_(ids)))) if ids else set()
    subscribed = select(subscriptions.c.client).where(subscriptions.c.run_id == run.id)
    told_by_webhook = set(await connection.scalars(subscribed))
    return [event for event in new if event.id not in told and event.client not in told_by_webhook]


def _end_of(run: Row[Any], client: str, key: str, **delivery: Any) -> NewEvent:
    """Return the event of a run's end. Its id is deterministic, and differs for each end of the run."""
    end = "" if run.end_count == 1 else f" {run.end_count}"
    return NewEvent(
        client,
        f"evt_{uuid5(UUID(run.id), f'{key}{end}').hex}",
        EventType.of(Outcome(run.outcome)),
        run.process_number,
        run.id,
        run.end_count,
        **delivery,
    )


async def reopen_deliveries(connection: AsyncConnection, condition: ColumnElement[bool]) -> tuple[DeliveryRef, ...]:
    """Make ended deliveries that match a condition pending again. The caller starts their workflows."""
    reopened = await connection.execute(
        update(deliveries)
        .where(condition, deliveries.c.status != DeliveryStatus.PENDING)
        .values(
            status=DeliveryStatus.PENDING,
            delivered_at=None,
            given_up_at=None,
            next_attempt_at=datetime.now(UTC),
        )
        .returning(deliveries.c.id, deliveries.c.number)
    )
    in_order = sorted(((row.id, row.number) for row in reopened), key=lambda pair: pair[1])
    return await build_delivery_refs(connection, in_order)


async def build_delivery_refs(
    connection: AsyncConnection, ids_and_numbers: Sequence[tuple[str, int]]
) -> tuple[DeliveryRef, ...]:
    """Return references to deliveries, each with the number of its next attempt."""
    result = await connection.execute(
        select(attempts.c.delivery_number, func.max(attempts.c.attempt).label("last"))
        .where(attempts.c.delivery_number.in_([number for _, number in ids_and_numbers]))
        .group_by(attempts.c.delivery_number)
    )
    last_attempts = {row.delivery_number: row.last for row in result}
    return tuple(
        DeliveryRef(event_id, number, last_attempts.get(number, 0) + 1) for event_id, number in ids_and_numbers
    )
