"""Webhook deliveries: creation, attempts, redelivery, and the sweep of overdue ones."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import uuid4

from sqlalchemy import select, tuple_, update

from adapters.database.delivery_log import DeliveryLogRepository, to_delivery
from adapters.database.endpoints import EndpointRepository, is_endpoint_disabled, record_endpoint_result
from adapters.database.engine import Database
from adapters.database.event_scopes import read_event_scopes
from adapters.database.outbox import build_delivery_refs, reopen_deliveries
from adapters.database.process_rows import to_run
from adapters.database.tables import runs
from adapters.database.tombstones import is_blocked
from adapters.database.upserts import insert_into, on_conflict_overwrite
from adapters.database.watch_tables import events
from adapters.database.webhook_tables import attempts, deliveries
from domain.delivery_messages import DeliveryRef
from domain.sweep_messages import OverduePage, OverdueRequest
from domain.webhooks import (
    Delivery,
    DeliveryStatus,
    Event,
    EventType,
    SentAttempt,
)

_PAGE_SIZE = 100


class DeliveryRepository:
    """The tables of deliveries and their attempts.

    Attributes:
        log: The delivery log of a client.
        endpoints: Failing endpoints.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self.log = DeliveryLogRepository(database)
        self.endpoints = EndpointRepository(database)

    async def create_test(self, client: str, url: str) -> DeliveryRef:
        """Create a delivery of a test event. The caller starts its workflow."""
        now = datetime.now(UTC)
        event_id = f"evt_{uuid4().hex}"
        async with self._database.writing() as connection:
            number = await connection.scalar(
                insert_into(connection, deliveries).returning(deliveries.c.number),
                {
                    "id": event_id,
                    "client": client,
                    "url": url,
                    "event_type": EventType.WEBHOOK_TEST,
                    "created_at": now,
                    "next_attempt_at": now,
                },
            )
        return DeliveryRef(event_id, number)

    async def get_event(self, delivery_id: str) -> Event | None:
        """Return what an attempt at a delivery needs to know.

        None if there is no such delivery, or if its process was erased.
        """
        async with self._database.reading() as connection:
            wanted = select(deliveries).where(
                deliveries.c.id == delivery_id, ~is_blocked(deliveries.c.process_number)
            )
            row = (await connection.execute(wanted)).one_or_none()
            if row is None:
                return None
            run = (
                (await connection.execute(select(runs).where(runs.c.id == row.run_id))).one()
                if EventType(row.event_type).is_run_end
                else None
            )
            details = await connection.scalar(select(events.c.details).where(events.c.id == row.id))
            endpoint_off = await is_endpoint_disabled(connection, row.client, row.url)
            scopes = await read_event_scopes(connection, row.client)
        return Event(
            to_delivery(row),
            to_run(run) if run else None,
            endpoint_off=endpoint_off,
            scopes=scopes,
            details=details,
        )

    async def record_attempt(
        self,
        delivery: Delivery,
        attempt: SentAttempt,
        *,
        delivered: bool,
        next_attempt_at: datetime | None,
    ) -> bool:
        """Record an attempt, and update the delivery and its endpoint.

        Recording the same attempt again overwrites it.

        Args:
            delivery: The delivery.
            attempt: The attempt that was made.
            delivered: Whether the receiver accepted it.
            next_attempt_at: When it is tried again. None if it was delivered or is given up.

        Returns:
            True if this attempt disabled the endpoint. Then the delivery is given up too.
        """
        columns = {
            "sent_at": attempt.sent_at,
            "status_code": attempt.status_code,
            "latency_ms": attempt.latency_ms,
            "excerpt": attempt.excerpt,
            "error": attempt.error,
        }
        async with self._database.writing() as connection:
            await connection.execute(
                on_conflict_overwrite(
                    insert_into(connection, attempts), key=("delivery_number", "attempt"), columns=tuple(columns)
                ),
                {"delivery_number": delivery.number, "attempt": attempt.number, **columns},
            )
            # An attempt that was not sent (without a latency) says nothing about the endpoint.
            switched_off = attempt.latency_ms is not None and await record_endpoint_result(
                connection, delivery, attempt.sent_at, delivered=delivered
            )
            ended = delivered or switched_off or next_attempt_at is None
            status = DeliveryStatus.DELIVERED if delivered else DeliveryStatus.FAILED
            await connection.execute(
                update(deliveries)
                # An attempt that was presumed lost may report after another one has ended the delivery.
                .where(deliveries.c.number == delivery.number, deliveries.c.status == DeliveryStatus.PENDING)
                .values(
                    status=status if ended else DeliveryStatus.PENDING,
                    delivered_at=attempt.sent_at if delivered else None,
                    given_up_at=attempt.sent_at if ended and not delivered else None,
                    next_attempt_at=None if ended else next_attempt_at,
                )
            )
        return switched_off

    async def reopen(self, delivery_id: str) -> DeliveryRef | None:
        """Make an ended delivery pending again, for the caller to start. None if it is already pending."""
        async with self._database.writing() as connection:
            reopened = await reopen_deliveries(connection, deliveries.c.id == delivery_id)
        return reopened[0] if reopened else None

    async def reopen_failed(self, client: str, since: datetime) -> tuple[tuple[DeliveryRef, ...], bool]:
        """Make a client's deliveries pending again that were given up since a time.

        Returns:
            At most 100 deliveries, oldest first, for the caller to start, and whether there are more.
        """
        given_up = (
            select(deliveries.c.number)
            .where(
                deliveries.c.client == client,
                deliveries.c.status == DeliveryStatus.FAILED,
                deliveries.c.given_up_at >= since,
            )
            .order_by(deliveries.c.created_at, deliveries.c.number)
            .limit(_PAGE_SIZE + 1)
        )
        async with self._database.writing() as connection:
            numbers = list(await connection.scalars(given_up))
            reopened = await reopen_deliveries(connection, deliveries.c.number.in_(numbers[:_PAGE_SIZE]))
        return reopened, len(numbers) > _PAGE_SIZE

    async def list_overdue(self, request: OverdueRequest, *, by: timedelta) -> OverduePage:
        """Return a page of deliveries whose next attempt is overdue, longest overdue first.

        Args:
            request: Which page.
            by: How late an attempt may be.
        """
        key = (deliveries.c.next_attempt_at, deliveries.c.number)
        statement = select(deliveries.c.id, *key).where(
            deliveries.c.next_attempt_at.is_not(None), deliveries.c.next_attempt_at < datetime.now(UTC) - by
        )
        if request.after_time:
            after = (datetime.fromisoformat(request.after_time), request.after_delivery)
            statement = statement.where(tuple_(*key) > tuple_(*after))
        async with self._database.reading() as connection:
            rows = (await connection.execute(statement.order_by(*key).limit(_PAGE_SIZE))).all()
            overdue = await build_delivery_refs(connection, [(row.id, row.number) for row in rows])
        if len(rows) < _PAGE_SIZE:
            return OverduePage(overdue)
        last = rows[-1]
        return OverduePage(overdue, OverdueRequest(last.next_attempt_at.isoformat(), last.number))
