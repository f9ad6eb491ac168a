"""Subscriptions and the log of deliveries."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import select, update

from adapters.database.engine import Database
from adapters.database.processes import to_run
from adapters.database.tables import attempts, deliveries, runs, subscriptions
from adapters.database.upserts import insert_into
from domain.process_number import ProcessNumber
from domain.webhooks import Delivery, EventType, SentAttempt


class Webhooks:
    """The webhooks' tables."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def subscribe(self, number: str, client: str, url: str) -> None:
        """Have the next end of a run for this process announced to an address, once.

        An address that waits already is not subscribed twice.
        """
        async with self._database.writing() as connection:
            await connection.execute(
                insert_into(connection, subscriptions).on_conflict_do_nothing(),
                {
                    "process_number": number,
                    "client": client,
                    "url": url,
                    "created_at": datetime.now(UTC),
                },
            )

    async def delivery(self, delivery_id: str) -> Delivery | None:
        """One delivery with the run that it announces, or none."""
        async with self._database.reading() as connection:
            row = (await connection.execute(select(deliveries).where(deliveries.c.id == delivery_id))).one_or_none()
            if row is None:
                return None
            run_row = (await connection.execute(select(runs).where(runs.c.id == row.run_id))).one()
        return Delivery(
            id=row.id,
            number=row.number,
            process_number=row.process_number,
            court=ProcessNumber.parse(row.process_number).court,
            url=row.url,
            event_type=EventType(row.event_type),
            created_at=row.created_at,
            delivered=row.delivered_at is not None,
            given_up=row.given_up_at is not None,
            run=to_run(run_row),
        )

    async def record_attempt(
        self, delivery: Delivery, attempt: SentAttempt, *, delivered: bool, given_up: bool
    ) -> None:
        """Log an attempt, and what it means for the delivery. Logging the same attempt again replaces it."""
        async with self._database.writing() as connection:
            columns = {
                "sent_at": attempt.sent_at,
                "status_code": attempt.status_code,
                "latency_ms": attempt.latency_ms,
                "excerpt": attempt.excerpt,
                "error": attempt.error,
                "next_attempt_at": attempt.next_attempt_at,
            }
            await connection.execute(
                insert_into(connection, attempts).on_conflict_do_update(
                    index_elements=["delivery_number", "attempt"], set_=columns
                ),
                {"delivery_number": delivery.number, "attempt": attempt.number, **columns},
            )
            if delivered or given_up:
                column = deliveries.c.delivered_at if delivered else deliveries.c.given_up_at
                await connection.execute(
                    update(deliveries)
                    .where(deliveries.c.number == delivery.number)
                    .values({column: attempt.sent_at})
                )
