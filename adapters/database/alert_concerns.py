"""Concerns that alerts are raised for, read from the tables of the court, the store, runs and endpoints."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Row, and_, exists, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.database.deployment_tables import court, store_circuit
from adapters.database.store_circuit import to_store_circuit
from adapters.database.tables import runs
from adapters.database.watch_tables import watches
from adapters.database.watches import is_kept_up
from adapters.database.webhook_tables import alerts, failing_endpoints
from domain.alerts import (
    MAX_RUN_AGE,
    MIN_DOCUMENTS,
    AlertKind,
    Concern,
    court_concern,
    credentials_concern,
    store_concern,
    watch_concern,
)
from domain.completeness import Outcome
from domain.court import CourtState, TokenReport
from domain.errors import FailureCode

# Of one kind in one review. The next review continues.
_MAX_ALERTS = 100
# Kinds with at most one alert, which is open as long as its concern is found.
_DEPLOYMENT_KINDS = (
    *(AlertKind.COURT_UNAVAILABLE, AlertKind.CREDENTIALS_EXPIRING, AlertKind.STORE_UNAVAILABLE),
    AlertKind.WATCH_LATE,
)

# Runs that were killed or cancelled, or whose process failed, say nothing about the documents.
_later_run = runs.alias("later")
_LATER_RUN_IS_BETTER = and_(
    _later_run.c.outcome.in_([Outcome.COMPLETED, Outcome.PARTIAL]),
    _later_run.c.failed_documents <= _later_run.c.available_documents,
)
_MOSTLY_FAILED = and_(
    # The exact condition of the partial index.
    runs.c.failed_documents > runs.c.available_documents,
    runs.c.failed_documents + runs.c.available_documents >= MIN_DOCUMENTS,
    runs.c.outcome.in_([Outcome.COMPLETED, Outcome.PARTIAL]),
)


async def find_deployment_concerns(
    connection: AsyncConnection, now: datetime, *, court_patience: timedelta
) -> list[Concern]:
    """Return the current concerns about the court, its credentials, the store and the watches.

    Args:
        connection: The transaction.
        now: The current time.
        court_patience: For how long the court may be unavailable before it is a concern.
    """
    return [
        *await _find_court_concerns(connection, now, court_patience),
        *await _find_store_concerns(connection, now),
        *await _find_watch_concerns(connection, now),
    ]


async def find_new_concerns(connection: AsyncConnection, now: datetime) -> list[Concern]:
    """Return the concerns about runs and endpoints that have no open alert."""
    return [*await _find_run_concerns(connection, now), *await _find_endpoint_concerns(connection)]


async def _find_court_concerns(connection: AsyncConnection, now: datetime, patience: timedelta) -> list[Concern]:
    row = (await connection.execute(select(court))).one_or_none()
    if row is None:
        # The monitor has not run yet.
        return []
    failure_code = FailureCode(row.failure_code) if row.failure_code else None
    condition = CourtState(failure_code=failure_code, since=row.since)
    token = TokenReport(row.token_source, expires_at=row.token_expires_at, renewable=row.token_renewable)
    concerns = court_concern(condition, now, patience=patience), credentials_concern(token, now)
    return [concern for concern in concerns if concern is not None]


async def _find_store_concerns(connection: AsyncConnection, now: datetime) -> list[Concern]:
    row = (await connection.execute(select(store_circuit))).one_or_none()
    concern = store_concern(to_store_circuit(row), now)
    return [] if concern is None else [concern]


async def _find_watch_concerns(connection: AsyncConnection, now: datetime) -> list[Concern]:
    late = select(func.count(), func.min(watches.c.late_at)).where(watches.c.late_at <= now, is_kept_up(now))
    count, since = (await connection.execute(late)).one()
    concern = watch_concern(count, since)
    return [] if concern is None else [concern]


async def _find_run_concerns(connection: AsyncConnection, now: datetime) -> list[Concern]:
    """Find processes most of whose documents failed in their latest run, and that have no open alert."""
    has_better_run = exists().where(
        _later_run.c.process_number == runs.c.process_number,
        _later_run.c.ended_at > runs.c.ended_at,
        _LATER_RUN_IS_BETTER,
    )
    result = await connection.execute(
        select(runs)
        .where(
            _MOSTLY_FAILED,
            runs.c.ended_at > now - MAX_RUN_AGE,
            ~has_better_run,
            ~_has_open_alert(AlertKind.FAILURES_HIGH, runs.c.process_number),
        )
        .order_by(runs.c.ended_at.desc())
        .limit(_MAX_ALERTS)
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


async def _find_endpoint_concerns(connection: AsyncConnection) -> list[Concern]:
    """Find disabled endpoints that have no open alert."""
    result = await connection.execute(
        select(failing_endpoints)
        .where(
            failing_endpoints.c.switched_off_at.is_not(None),
            ~_has_open_alert(AlertKind.ENDPOINT_DISABLED, failing_endpoints.c.id),
        )
        .order_by(failing_endpoints.c.switched_off_at)
        .limit(_MAX_ALERTS)
    )
    # Without the URL: it may contain a secret of the receiver.
    return [
        Concern(
            AlertKind.ENDPOINT_DISABLED,
            row.id,
            row.switched_off_at,
            {"endpoint_id": row.id, "client": row.client},
        )
        for row in result
    ]


def _has_open_alert(kind: AlertKind, subject: ColumnElement[str]) -> ColumnElement[bool]:
    return exists().where(alerts.c.kind == kind, alerts.c.subject == subject, alerts.c.cleared_at.is_(None))


async def find_resolved_alerts(
    connection: AsyncConnection, present: set[AlertKind]
) -> Iterable[Row[tuple[object, ...]]]:
    """Return the rows of open alerts whose concern is over.

    Args:
        connection: The transaction.
        present: The kinds of the current concerns about the deployment.
    """
    has_better_run = exists().where(
        _later_run.c.process_number == alerts.c.subject,
        _later_run.c.ended_at > alerts.c.since,
        _LATER_RUN_IS_BETTER,
    )
    is_disabled = exists().where(
        failing_endpoints.c.id == alerts.c.subject, failing_endpoints.c.switched_off_at.is_not(None)
    )
    is_resolved = or_(
        alerts.c.kind.in_([kind for kind in _DEPLOYMENT_KINDS if kind not in present]),
        and_(alerts.c.kind == AlertKind.FAILURES_HIGH, has_better_run),
        and_(alerts.c.kind == AlertKind.ENDPOINT_DISABLED, ~is_disabled),
    )
    statement = select(alerts).where(alerts.c.cleared_at.is_(None), is_resolved).limit(_MAX_ALERTS)
    return (await connection.execute(statement)).all()
