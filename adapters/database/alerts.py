"""Alerts: each is raised once and cleared once, however often and by however many services."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from sqlalchemy import Row, and_, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.database.alert_concerns import find_deployment_concerns, find_new_concerns, find_resolved_alerts
from adapters.database.engine import Database
from adapters.database.upserts import insert_into
from adapters.database.webhook_tables import alerts, deliveries
from domain.alerts import Alert, AlertKind, AlertReview, Concern
from domain.delivery_messages import DeliveryRef
from domain.keys import OPERATOR


class AlertRepository:
    """The table of alerts. Their concerns are read from other tables at each review."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def review(self, *, url: str | None, court_patience: timedelta) -> AlertReview:
        """Raise alerts for new concerns, clear those whose concern is over, and create their deliveries.

        Each change is made once, even if several workers review at the same moment. A clearing is announced only if
        the alert was announced when it was raised.

        Args:
            url: The operator's webhook URL. None if the operator has none.
            court_patience: For how long the court may be unavailable before an alert is raised.
        """
        now = datetime.now(UTC)
        async with self._database.writing() as connection:
            current = await find_deployment_concerns(connection, now, court_patience=court_patience)
            resolved = await find_resolved_alerts(connection, {concern.kind for concern in current})
            concerns = (*current, *await find_new_concerns(connection, now))
            return await _record_changes(connection, resolved, concerns, now, url)

    async def review_workers(
        self, concerns: Iterable[Concern], served: Collection[str], *, url: str | None
    ) -> AlertReview:
        """Raise and clear the alerts about task queues without a worker, and create their deliveries.

        These alerts are the API's: ``review``, which workers call, leaves them alone. Each change is made once,
        even if several APIs review at the same moment. Nothing is written if nothing changes.

        Args:
            concerns: A concern for each queue that has had no worker for too long.
            served: The queues that have a worker. A queue of which nothing is known is in neither.
            url: The operator's webhook URL. None if the operator has none.
        """
        is_open = and_(alerts.c.kind == AlertKind.NO_WORKER, alerts.c.cleared_at.is_(None))
        async with self._database.reading() as connection:
            open_queues = set(await connection.scalars(select(alerts.c.subject).where(is_open)))
        new = [concern for concern in concerns if concern.subject not in open_queues]
        if not new and open_queues.isdisjoint(served):
            return AlertReview()
        now = datetime.now(UTC)
        async with self._database.writing() as connection:
            resolved = await connection.execute(select(alerts).where(is_open, alerts.c.subject.in_(served)))
            return await _record_changes(connection, resolved.all(), new, now, url)

    async def get_by_event(self, event_id: str) -> Alert | None:
        """Return the alert that an event announces, as it was then. None if the event announces no alert."""
        async with self._database.reading() as connection:
            row = (
                await connection.execute(
                    select(alerts).where(or_(alerts.c.raised_event == event_id, alerts.c.cleared_event == event_id))
                )
            ).one_or_none()
        if row is None:
            return None
        return _to_alert(row, cleared_at=row.cleared_at if row.cleared_event == event_id else None)

    async def count_open(self) -> dict[AlertKind, int]:
        """Count the open alerts of each kind. Kinds without one are included."""
        async with self._database.reading() as connection:
            result = await connection.execute(
                select(alerts.c.kind, func.count()).where(alerts.c.cleared_at.is_(None)).group_by(alerts.c.kind)
            )
            counts = {AlertKind(kind): count for kind, count in result}
        return {kind: counts.get(kind, 0) for kind in AlertKind}


async def _record_changes(
    connection: AsyncConnection,
    resolved: Iterable[Row[Any]],
    concerns: Iterable[Concern],
    now: datetime,
    url: str | None,
) -> AlertReview:
    """Clear the alerts of these rows, and raise one for each concern that has no open alert."""
    cleared: list[Alert] = []
    raised: list[Alert] = []
    new_deliveries: list[DeliveryRef] = []
    for row in resolved:
        event_id = _new_id("evt") if url and row.raised_event else None
        if await _clear(connection, row.id, now, event_id):
            cleared.append(_to_alert(row, cleared_at=now))
            new_deliveries += await _create_delivery(connection, cleared[-1], event_id, url)
    for concern in concerns:
        event_id = _new_id("evt") if url else None
        alert = await _raise(connection, concern, now, event_id)
        if alert is not None:
            raised.append(alert)
            new_deliveries += await _create_delivery(connection, alert, event_id, url)
    return AlertReview(tuple(raised), tuple(cleared), tuple(new_deliveries))


async def _raise(
    connection: AsyncConnection, concern: Concern, now: datetime, event_id: str | None
) -> Alert | None:
    alert = Alert(_new_id("alert"), concern, now)
    raised = await connection.execute(
        insert_into(connection, alerts).on_conflict_do_nothing(),
        {
            "id": alert.id,
            "kind": concern.kind,
            "subject": concern.subject,
            "since": concern.since,
            "details": dict(concern.details),
            "raised_at": now,
            "raised_event": event_id,
        },
    )
    return alert if raised.rowcount == 1 else None


async def _clear(connection: AsyncConnection, alert_id: str, now: datetime, event_id: str | None) -> bool:
    cleared = await connection.execute(
        update(alerts)
        .where(alerts.c.id == alert_id, alerts.c.cleared_at.is_(None))
        .values(cleared_at=now, cleared_event=event_id)
    )
    return cleared.rowcount == 1


async def _create_delivery(
    connection: AsyncConnection, alert: Alert, event_id: str | None, url: str | None
) -> tuple[DeliveryRef, ...]:
    """Create the delivery that announces an alert. Returns an empty tuple if there is no event id."""
    if event_id is None:
        return ()
    happened_at = alert.cleared_at or alert.raised_at
    number = await connection.scalar(
        insert_into(connection, deliveries).returning(deliveries.c.number),
        {
            "id": event_id,
            "client": OPERATOR,
            "url": url,
            "event_type": alert.concern.kind.event_type,
            "created_at": happened_at,
            "next_attempt_at": happened_at,
        },
    )
    return (DeliveryRef(event_id, number),)


def _new_id(kind: str) -> str:
    return f"{kind}_{uuid4().hex}"


def _to_alert(row: Row[tuple[object, ...]], *, cleared_at: datetime | None) -> Alert:
    concern = Concern(AlertKind(row.kind), row.subject, row.since, row.details)
    return Alert(row.id, concern, row.raised_at, cleared_at)
