"""Deliveries on their way."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import uuid4

from sqlalchemy import select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.database.client_tables import api_keys
from adapters.database.delivery_log import DeliveryLog, to_delivery
from adapters.database.endpoints import Endpoints, is_off, judge_endpoint
from adapters.database.engine import Database
from adapters.database.outbox import delivery_refs, reopen_deliveries
from adapters.database.processes import to_run
from adapters.database.tables import runs
from adapters.database.upserts import insert_into, refreshing
from adapters.database.webhook_tables import attempts, deliveries
from domain.clients import ALL_SCOPES, Scope
from domain.keys import RESERVED_NAMES
from domain.messages import DeliveryRef, OverduePage, OverdueRequest
from domain.webhooks import (
    Delivery,
    DeliveryStatus,
    Event,
    EventType,
    SentAttempt,
)

_PAGE = 100


class Webhooks:
    """The webhooks' tables.

    Attributes:
        log: what was sent, for those who read it.
        endpoints: the addresses that take nothing.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self.log = DeliveryLog(database)
        self.endpoints = Endpoints(database)

    async def announce_test(self, client: str, url: str) -> DeliveryRef:
        """Make a test event for an address. The caller starts it."""
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

    async def event(self, delivery_id: str) -> Event | None:
        """What an attempt at a delivery needs to know, or none."""
        async with self._database.reading() as connection:
            row = (await connection.execute(select(deliveries).where(deliveries.c.id == delivery_id))).one_or_none()
            if row is None:
                return None
            run = (
                (await connection.execute(select(runs).where(runs.c.id == row.run_id))).one()
                if row.run_id
                else None
            )
            endpoint_off = await is_off(connection, row.client, row.url)
            scopes = await _scopes(connection, row.client)
        return Event(
            to_delivery(row),
            to_run(run) if run else None,
            endpoint_off=endpoint_off,
            scopes=scopes,
        )

    async def record_attempt(
        self,
        delivery: Delivery,
        attempt: SentAttempt,
        *,
        delivered: bool,
        next_attempt_at: datetime | None,
    ) -> bool:
        """Log an attempt, and what it means for the delivery and its address.

        Logging the same attempt again replaces it.

        Args:
            delivery: what was attempted.
            attempt: how it went.
            delivered: the receiver took it.
            next_attempt_at: when it is tried again; none if it was delivered or is given up.

        Returns:
            Whether this attempt is the one that had the address switched off; then the delivery is given up too.
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
                refreshing(
                    insert_into(connection, attempts), key=("delivery_number", "attempt"), columns=tuple(columns)
                ),
                {"delivery_number": delivery.number, "attempt": attempt.number, **columns},
            )
            # What was not sent says nothing of who waits for it.
            switched_off = attempt.latency_ms is not None and await judge_endpoint(
                connection, delivery, attempt.sent_at, delivered=delivered
            )
            ended = delivered or switched_off or next_attempt_at is None
            status = DeliveryStatus.DELIVERED if delivered else DeliveryStatus.FAILED
            await connection.execute(
                update(deliveries)
                # An attempt that was given up for lost may come back when another has ended the delivery.
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
        """Make a delivery that has ended pending again, for the caller to start; none if it is pending."""
        async with self._database.writing() as connection:
            reopened = await reopen_deliveries(connection, deliveries.c.id == delivery_id)
        return reopened[0] if reopened else None

    async def reopen_failed(self, client: str, since: datetime) -> tuple[tuple[DeliveryRef, ...], bool]:
        """Make a client's deliveries pending again that were given up since a time, for the caller to start.

        Returns:
            At most 100 of them, the oldest first; and whether there are more.
        """
        these = (
            select(deliveries.c.number)
            .where(
                deliveries.c.client == client,
                deliveries.c.status == DeliveryStatus.FAILED,
                deliveries.c.given_up_at >= since,
            )
            .order_by(deliveries.c.created_at, deliveries.c.number)
            .limit(_PAGE + 1)
        )
        async with self._database.writing() as connection:
            numbers = list(await connection.scalars(these))
            reopened = await reopen_deliveries(connection, deliveries.c.number.in_(numbers[:_PAGE]))
        return reopened, len(numbers) > _PAGE

    async def overdue(self, request: OverdueRequest, *, by: timedelta) -> OverduePage:
        """Up to a page of deliveries whose attempt should have been made long ago, the longest overdue first.

        Args:
            request: which page.
            by: how long an attempt may be late.
        """
        place = (deliveries.c.next_attempt_at, deliveries.c.number)
        statement = select(deliveries.c.id, *place).where(
            deliveries.c.next_attempt_at.is_not(None), deliveries.c.next_attempt_at < datetime.now(UTC) - by
        )
        if request.after_time:
            after = (datetime.fromisoformat(request.after_time), request.after_delivery)
            statement = statement.where(tuple_(*place) > tuple_(*after))
        async with self._database.reading() as connection:
            rows = (await connection.execute(statement.order_by(*place).limit(_PAGE))).all()
            found = await delivery_refs(connection, [(row.id, row.number) for row in rows])
        if len(rows) < _PAGE:
            return OverduePage(found)
        last = rows[-1]
        return OverduePage(found, OverdueRequest(last.next_attempt_at.isoformat(), last.number))


async def _scopes(connection: AsyncConnection, client: str) -> frozenset[Scope]:
    """What every key that a client ever had may do, as long as one of them lives; none if none does.

    An event is for no key more than for another: else whoever holds the least of them would have what is withheld
    sent to an address, and revoking a key that was stolen would widen what its holder is sent.
    """
    if client in RESERVED_NAMES:
        return ALL_SCOPES
    held = (
        await connection.execute(
            select(api_keys.c.scopes, api_keys.c.revoked_at).where(api_keys.c.client == client)
        )
    ).all()
    if all(key.revoked_at is not None for key in held):
        return frozenset()
    return frozenset.intersection(*(frozenset(map(Scope, key.scopes)) for key in held))
