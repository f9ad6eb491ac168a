"""Alerts: raised once, cleared once, whoever looks and however often."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from sqlalchemy import ColumnElement, Row, and_, exists, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.database.engine import Database
from adapters.database.store_circuit import to_store_circuit
from adapters.database.tables import court, runs, store_circuit
from adapters.database.upserts import insert_into
from adapters.database.webhook_tables import alerts, deliveries, failing_endpoints
from domain.alerts import (
    FEWEST_DOCUMENTS,
    NEWS,
    Alert,
    AlertKind,
    AlertReview,
    Concern,
    court_concern,
    credentials_concern,
    store_concern,
)
from domain.completeness import Outcome
from domain.court import CourtState, TokenReport
from domain.errors import FailureCode
from domain.keys import OPERATOR
from domain.messages import DeliveryRef

# Of a kind, at one look; the next one goes on.
_MOST = 100
# There is one of each at most, which lasts for as long as its cause is found.
_SINGLE = (AlertKind.COURT_UNAVAILABLE, AlertKind.CREDENTIALS_EXPIRING, AlertKind.STORE_UNAVAILABLE)

# Runs that were killed or cancelled, or whose process could not be had, say nothing of the documents.
_later = runs.alias("later")
_LATER_IS_BETTER = and_(
    _later.c.outcome.in_([Outcome.COMPLETED, Outcome.PARTIAL]),
    _later.c.failed_documents <= _later.c.available_documents,
)
_MOSTLY_FAILED = and_(
    # As the index has it.
    runs.c.failed_documents > runs.c.available_documents,
    runs.c.failed_documents + runs.c.available_documents >= FEWEST_DOCUMENTS,
    runs.c.outcome.in_([Outcome.COMPLETED, Outcome.PARTIAL]),
)


class Alerts:
    """The alerts' table. What they tell of is read from the other tables at each look."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def review(self, *, url: str | None, court_patience: timedelta) -> AlertReview:
        """Compare what is with what has been told: raise what is new, clear what is over, and make the events.

        Each is done once, whoever looks at the same moment. The end is told only if the beginning was.

        Args:
            url: where the operator wants to be told; none for nowhere.
            court_patience: for how long the court may not answer.
        """
        now = datetime.now(UTC)
        cleared: list[Alert] = []
        raised: list[Alert] = []
        made: list[DeliveryRef] = []
        async with self._database.writing() as connection:
            single = [*await _of_court(connection, now, court_patience), *await _of_store(connection, now)]
            for row in await _over(connection, {one.kind for one in single}):
                event_id = _new_id("evt") if url and row.raised_event else None
                if await _clear(connection, row.id, now, event_id):
                    cleared.append(_alert(row, cleared_at=now))
                    made += await _tell(connection, cleared[-1], event_id, url)
            for concern in (*single, *await _of_runs(connection, now), *await _of_endpoints(connection)):
                event_id = _new_id("evt") if url else None
                alert = await _raise(connection, concern, now, event_id)
                if alert is not None:
                    raised.append(alert)
                    made += await _tell(connection, alert, event_id, url)
        return AlertReview(tuple(raised), tuple(cleared), tuple(made))

    async def told_by(self, event_id: str) -> Alert | None:
        """The alert that an event tells of, as it was when it was told; none if the event tells of none."""
        async with self._database.reading() as connection:
            row = (
                await connection.execute(
                    select(alerts).where(or_(alerts.c.raised_event == event_id, alerts.c.cleared_event == event_id))
                )
            ).one_or_none()
        if row is None:
            return None
        return _alert(row, cleared_at=row.cleared_at if row.cleared_event == event_id else None)

    async def open_counts(self) -> dict[AlertKind, int]:
        """How many alerts of each kind are raised and not cleared."""
        async with self._database.reading() as connection:
            result = await connection.execute(
                select(alerts.c.kind, func.count()).where(alerts.c.cleared_at.is_(None)).group_by(alerts.c.kind)
            )
            found = {AlertKind(kind): count for kind, count in result}
        return {kind: found.get(kind, 0) for kind in AlertKind}


async def _of_court(connection: AsyncConnection, now: datetime, patience: timedelta) -> list[Concern]:
    row = (await connection.execute(select(court))).one_or_none()
    if row is None:
        # Nobody has looked yet.
        return []
    failure_code = FailureCode(row.failure_code) if row.failure_code else None
    condition = CourtState(failure_code=failure_code, since=row.since)
    token = TokenReport(row.token_source, expires_at=row.token_expires_at, renewable=row.token_renewable)
    found = court_concern(condition, now, patience=patience), credentials_concern(token, now)
    return [concern for concern in found if concern is not None]


async def _of_store(connection: AsyncConnection, now: datetime) -> list[Concern]:
    row = (await connection.execute(select(store_circuit))).one_or_none()
    concern = store_concern(to_store_circuit(row), now)
    return [] if concern is None else [concern]


async def _of_runs(connection: AsyncConnection, now: datetime) -> list[Concern]:
    """Processes most of whose documents failed in their latest run, unless that has been told."""
    better = exists().where(
        _later.c.process_number == runs.c.process_number, _later.c.ended_at > runs.c.ended_at, _LATER_IS_BETTER
    )
    result = await connection.execute(
        select(runs)
        .where(
            _MOSTLY_FAILED,
            runs.c.ended_at > now - NEWS,
            ~better,
            ~_is_open(AlertKind.FAILURES_HIGH, runs.c.process_number),
        )
        .order_by(runs.c.ended_at.desc())
        .limit(_MOST)
    )
    return [
        Concern(
            AlertKind.FAILURES_HIGH,
            row.process_number,
            row.ended_at,
            {
                "process_number": row.process_number,
                "run_id": row.id,
                "total_documents": row.total_documents,
                "available_documents": row.available_documents,
                "failed_documents": row.failed_documents,
            },
        )
        for row in result
    ]


async def _of_endpoints(connection: AsyncConnection) -> list[Concern]:
    """Addresses that are switched off, unless that has been told."""
    result = await connection.execute(
        select(failing_endpoints)
        .where(
            failing_endpoints.c.switched_off_at.is_not(None),
            ~_is_open(AlertKind.ENDPOINT_DISABLED, failing_endpoints.c.id),
        )
        .order_by(failing_endpoints.c.switched_off_at)
        .limit(_MOST)
    )
    # The address itself may hold a secret of the receiver's.
    return [
        Concern(
            AlertKind.ENDPOINT_DISABLED,
            row.id,
            row.switched_off_at,
            {"endpoint_id": row.id, "client": row.client},
        )
        for row in result
    ]


def _is_open(kind: AlertKind, subject: ColumnElement[str]) -> ColumnElement[bool]:
    return exists().where(alerts.c.kind == kind, alerts.c.subject == subject, alerts.c.cleared_at.is_(None))


async def _over(connection: AsyncConnection, lasting: set[AlertKind]) -> Iterable[Row[tuple[object, ...]]]:
    """The open alerts whose concern is no more.

    Args:
        lasting: the concerns about the court and the store that there are at present.
    """
    better = exists().where(
        _later.c.process_number == alerts.c.subject, _later.c.ended_at > alerts.c.since, _LATER_IS_BETTER
    )
    off = exists().where(
        failing_endpoints.c.id == alerts.c.subject, failing_endpoints.c.switched_off_at.is_not(None)
    )
    over = or_(
        alerts.c.kind.in_([kind for kind in _SINGLE if kind not in lasting]),
        and_(alerts.c.kind == AlertKind.FAILURES_HIGH, better),
        and_(alerts.c.kind == AlertKind.ENDPOINT_DISABLED, ~off),
    )
    statement = select(alerts).where(alerts.c.cleared_at.is_(None), over).limit(_MOST)
    return (await connection.execute(statement)).all()


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


async def _tell(
    connection: AsyncConnection, alert: Alert, event_id: str | None, url: str | None
) -> tuple[DeliveryRef, ...]:
    """Make the event; none without an id."""
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


def _alert(row: Row[tuple[object, ...]], *, cleared_at: datetime | None) -> Alert:
    concern = Concern(AlertKind(row.kind), row.subject, row.since, row.details)
    return Alert(row.id, concern, row.raised_at, cleared_at)
