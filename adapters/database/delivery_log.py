"""The delivery log, as clients read it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Row, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.database.engine import Database
from adapters.database.webhook_tables import attempts, deliveries
from domain.webhooks import (
    MAX_LISTED_ATTEMPTS,
    Delivery,
    DeliveryStatus,
    EventType,
    LoggedDelivery,
    SentAttempt,
)


class DeliveryLogRepository:
    """Read access to deliveries and their attempts."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, delivery_id: str) -> LoggedDelivery | None:
        """Return a delivery with its latest attempts. None if there is no such delivery."""
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
        """Return a page of a client's deliveries, newest first.

        Args:
            client: The client.
            limit: Maximum number of deliveries.
            before: Number of the last delivery of the page before. None for the first page.
            status: Only deliveries with this status. None means all.
            process_number: Only deliveries of this process. None means all.
            since: Only deliveries created then or later. None means all.
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
                created_at = await connection.scalar(
                    select(deliveries.c.created_at).where(deliveries.c.number == before)
                )
                if created_at is None:
                    return []
                statement = statement.where(
                    tuple_(deliveries.c.created_at, deliveries.c.number) < tuple_(created_at, before)
                )
            rows = (await connection.execute(statement.order_by(*order).limit(limit))).all()
            return await _with_attempts(connection, rows)


def to_delivery(row: Row[tuple[object, ...]]) -> Delivery:
    """Convert a row of ``webhook_deliveries``."""
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
    attempts_by_delivery: dict[int, list[SentAttempt]] = {row.number: [] for row in rows}
    recency = (
        func.row_number()
        .over(partition_by=attempts.c.delivery_number, order_by=attempts.c.attempt.desc())
        .label("recency")
    )
    numbered = select(attempts, recency).where(attempts.c.delivery_number.in_(attempts_by_delivery)).subquery()
    result = await connection.execute(
        select(numbered)
        .where(numbered.c.recency <= MAX_LISTED_ATTEMPTS)
        .order_by(numbered.c.delivery_number, numbered.c.attempt)
    )
    for row in result:
        attempts_by_delivery[row.delivery_number].append(
            SentAttempt(row.attempt, row.sent_at, row.status_code, row.latency_ms, row.excerpt, row.error)
        )
    return [LoggedDelivery(to_delivery(row), tuple(attempts_by_delivery[row.number])) for row in rows]
