"""The log of deliveries as their owners read it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Row, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.database.engine import Database
from adapters.database.webhook_tables import attempts, deliveries
from domain.webhooks import (
    SHOWN_ATTEMPTS,
    Delivery,
    DeliveryStatus,
    EventType,
    LoggedDelivery,
    SentAttempt,
)


class DeliveryLog:
    """What was sent to whom, and what came of it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, delivery_id: str) -> LoggedDelivery | None:
        """One delivery with its latest attempts, or none."""
        async with self._database.reading() as connection:
            row = (await connection.execute(select(deliveries).where(deliveries.c.id == delivery_id))).one_or_none()
            if row is None:
                return None
            [logged] = await _with_attempts(connection, [row])
        return logged

    async def page(
        self,
        client: str,
        *,
        limit: int,
        before: int | None = None,
        status: DeliveryStatus | None = None,
        process_number: str | None = None,
        since: datetime | None = None,
    ) -> list[LoggedDelivery]:
        """A client's deliveries, the newest first.

        Args:
            client: whose.
            limit: at most so many.
            before: only those that come behind the delivery with this number.
            status: only those with this status.
            process_number: only those of this process.
            since: only those whose event happened then or later.
        """
        statement = select(deliveries).where(deliveries.c.client == client)
        if status is not None:
            statement = statement.where(deliveries.c.status == status)
        if process_number is not None:
            statement = statement.where(deliveries.c.process_number == process_number)
        if since is not None:
            statement = statement.where(deliveries.c.created_at >= since)
        order = (deliveries.c.created_at.desc(), deliveries.c.number.desc())
        async with self._database.reading() as connection:
            if before is not None:
                reached = await connection.scalar(
                    select(deliveries.c.created_at).where(deliveries.c.number == before)
                )
                if reached is None:
                    return []
                statement = statement.where(
                    tuple_(deliveries.c.created_at, deliveries.c.number) < tuple_(reached, before)
                )
            rows = (await connection.execute(statement.order_by(*order).limit(limit))).all()
            return await _with_attempts(connection, rows)


def to_delivery(row: Row[tuple[object, ...]]) -> Delivery:
    """Read a row of ``webhook_deliveries``."""
    return Delivery(
        id=row.id,
        number=row.number,
        client=row.client,
        url=row.url,
        event_type=EventType(row.event_type),
        status=DeliveryStatus(row.status),
        created_at=row.created_at,
        process_number=row.process_number,
        run_id=row.run_id,
        run_end=row.run_end,
        delivered_at=row.delivered_at,
        given_up_at=row.given_up_at,
        next_attempt_at=row.next_attempt_at,
    )


async def _with_attempts(
    connection: AsyncConnection, rows: Sequence[Row[tuple[object, ...]]]
) -> list[LoggedDelivery]:
    made: dict[int, list[SentAttempt]] = {row.number: [] for row in rows}
    from_the_latest = (
        func.row_number()
        .over(partition_by=attempts.c.delivery_number, order_by=attempts.c.attempt.desc())
        .label("from_the_latest")
    )
    numbered = select(attempts, from_the_latest).where(attempts.c.delivery_number.in_(made)).subquery()
    result = await connection.execute(
        select(numbered)
        .where(numbered.c.from_the_latest <= SHOWN_ATTEMPTS)
        .order_by(numbered.c.delivery_number, numbered.c.attempt)
    )
    for row in result:
        made[row.delivery_number].append(
            SentAttempt(row.attempt, row.sent_at, row.status_code, row.latency_ms, row.excerpt, row.error)
        )
    return [LoggedDelivery(to_delivery(row), tuple(made[row.number])) for row in rows]
