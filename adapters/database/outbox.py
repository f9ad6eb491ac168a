"""Transactional outbox: a delivery is a row, written in the same transaction as the event that it reports."""

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
from domain.delivery_messages import DeliveryRef
from domain.webhooks import DeliveryStatus, EventType


async def create_deliveries(connection: AsyncConnection, run: Row[Any]) -> None:
    """Create a delivery for each subscription of a run that has none for the run's current end.

    Idempotent. This is the only place that creates events of runs. It is called when an end is recorded, and when
    somebody subscribes to a run that has ended. Both callers hold the lock on the run's row: either the end sees
    the subscription, or the subscriber sees the end.

    Args:
        connection: The transaction that holds the lock.
        run: The current row of ``runs``. Nothing happens while it has no outcome.
    """
    if run.outcome is None:
        return
    has_delivery = exists().where(
        deliveries.c.subscription_id == subscriptions.c.id, deliveries.c.run_end == run.end_count
    )
    pending = await connection.execute(
        select(subscriptions).where(subscriptions.c.run_id == run.id, ~has_delivery).order_by(subscriptions.c.id)
    )
    now = datetime.now(UTC)
    rows = [
        {
            "id": _build_event_id(run, subscription.id),
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
        for subscription in pending
    ]
    if rows:
        await connection.execute(insert_into(connection, deliveries), rows)


def _build_event_id(run: Row[Any], subscription_id: int) -> str:
    """Return a deterministic event id. It differs for each end of the run."""
    end = "" if run.end_count == 1 else f" {run.end_count}"
    return f"evt_{uuid5(UUID(run.id), f'{subscription_id}{end}').hex}"


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
