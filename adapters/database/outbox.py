"""The outbox: deliveries are rows, written in the transaction that makes them due."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid5

from sqlalchemy import ColumnElement, Row, exists, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.database.upserts import insert_into
from adapters.database.webhook_tables import attempts, deliveries, subscriptions
from domain.completeness import Outcome
from domain.messages import DeliveryRef
from domain.webhooks import DeliveryStatus, EventType


async def create_deliveries(connection: AsyncConnection, run: Row[Any]) -> None:
    """Announce the end of a run: create a delivery for each of its subscriptions that has none for this end.

    Idempotent. The one way to an event of a run: whoever records the end calls it, and whoever subscribes to a run
    that is over. Both hold the lock on the run's row: either the end sees the subscription, or the subscriber sees
    the end.

    Args:
        connection: the transaction that holds the lock.
        run: the row of ``runs`` as it is now; nothing happens while it has no outcome.
    """
    if run.outcome is None:
        return
    told = exists().where(deliveries.c.subscription_id == subscriptions.c.id, deliveries.c.run_end == run.end_count)
    waiting = await connection.execute(
        select(subscriptions).where(subscriptions.c.run_id == run.id, ~told).order_by(subscriptions.c.id)
    )
    now = datetime.now(UTC)
    rows = [
        {
            "id": _event_id(run, subscription.id),
            "subscription_id": subscription.id,
            "run_id": run.id,
            "run_end": run.end_count,
            "process_number": run.process_number,
            "client": subscription.client,
            "url": subscription.url,
            "event_type": EventType.of(Outcome(run.outcome)),
            "created_at": now,
            "next_attempt_at": now,
        }
        for subscription in waiting
    ]
    if rows:
        await connection.execute(insert_into(connection, deliveries), rows)


def _event_id(run: Row[Any], subscription_id: int) -> str:
    """Return the id of the event; another one for each end that the run has had."""
    end = "" if run.end_count == 1 else f" {run.end_count}"
    return f"evt_{uuid5(UUID(run.id), f'{subscription_id}{end}').hex}"


async def reopen_deliveries(connection: AsyncConnection, which: ColumnElement[bool]) -> tuple[DeliveryRef, ...]:
    """Make deliveries pending again that have ended, for the caller to start."""
    reopened = await connection.execute(
        update(deliveries)
        .where(which, deliveries.c.status != DeliveryStatus.PENDING)
        .values(
            status=DeliveryStatus.PENDING,
            delivered_at=None,
            given_up_at=None,
            next_attempt_at=datetime.now(UTC),
        )
        .returning(deliveries.c.id, deliveries.c.number)
    )
    return await delivery_refs(
        connection, sorted(((row.id, row.number) for row in reopened), key=lambda one: one[1])
    )


async def delivery_refs(connection: AsyncConnection, found: Sequence[tuple[str, int]]) -> tuple[DeliveryRef, ...]:
    """Name deliveries with the numbers that their next attempts have."""
    result = await connection.execute(
        select(attempts.c.delivery_number, func.max(attempts.c.attempt).label("last"))
        .where(attempts.c.delivery_number.in_([number for _, number in found]))
        .group_by(attempts.c.delivery_number)
    )
    made = {row.delivery_number: row.last for row in result}
    return tuple(DeliveryRef(event_id, number, made.get(number, 0) + 1) for event_id, number in found)
