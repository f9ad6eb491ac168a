"""How the end of a run becomes deliveries, inside the transaction of whoever announces it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from uuid import UUID, uuid5

from sqlalchemy import ColumnElement, Row, delete, exists, update
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.database.upserts import insert_into
from adapters.database.webhook_tables import deliveries, subscriptions
from domain.completeness import Outcome
from domain.webhooks import EventType


async def claim_subscriptions(connection: AsyncConnection, number: str, run_id: str, outcome: Outcome) -> None:
    """Turn every waiting subscription of a process into a delivery of a run's end. Again, it finds none.

    An address that this run has told already waits for the next one.
    """
    claimed = await connection.execute(
        update(subscriptions)
        .where(subscriptions.c.process_number == number, subscriptions.c.run_id.is_(None), ~_told_by(run_id))
        .values(run_id=run_id)
        .returning(subscriptions)
    )
    await announce_to(connection, claimed, outcome)


async def forget_told(connection: AsyncConnection, number: str, run_id: str) -> None:
    """Let those no longer wait whom this run has told already: nothing else will come for them."""
    await connection.execute(
        delete(subscriptions).where(
            subscriptions.c.process_number == number, subscriptions.c.run_id.is_(None), _told_by(run_id)
        )
    )


def _told_by(run_id: str) -> ColumnElement[bool]:
    return exists().where(
        deliveries.c.run_id == run_id,
        deliveries.c.client == subscriptions.c.client,
        deliveries.c.url == subscriptions.c.url,
    )


async def announce_to(
    connection: AsyncConnection, claimed: Iterable[Row[tuple[object, ...]]], outcome: Outcome
) -> None:
    """Make a delivery for each subscription that a run has claimed; its id follows from the two."""
    now = datetime.now(UTC)
    rows = [
        {
            "id": f"evt_{uuid5(UUID(row.run_id), str(row.id)).hex}",
            "subscription_id": row.id,
            "run_id": row.run_id,
            "process_number": row.process_number,
            "client": row.client,
            "url": row.url,
            "event_type": EventType.of(outcome),
            "created_at": now,
            "next_attempt_at": now,
        }
        for row in claimed
    ]
    if rows:
        await connection.execute(insert_into(connection, deliveries), rows)
