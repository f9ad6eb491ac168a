"""Alerts to the operator: one event when a problem begins, and one when it is over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from domain.court import CourtState, TokenReport
from domain.delivery_messages import DeliveryRef
from domain.serializers import Json, format_timestamp
from domain.store_circuit import StoreCircuit
from domain.watches import WatchState
from domain.webhooks import EventType

# Failures in a process of one or two documents say nothing about the service as a whole.
MIN_DOCUMENTS = 3
# Runs that ended longer ago raise no alert.
MAX_RUN_AGE = timedelta(days=1)
# Subjects of alerts. There is one court and one store.
_COURT = "court"
_STORE = "store"
_WATCHES = "watches"
# Longer than a restart of the store, and short enough for a store that refuses writes for good.
_STORE_PATIENCE = timedelta(minutes=1)


class AlertKind(StrEnum):
    """The kinds of alerts."""

    COURT_UNAVAILABLE = "court_unavailable"
    CREDENTIALS_EXPIRING = "credentials_expiring"
    STORE_UNAVAILABLE = "store_unavailable"
    FAILURES_HIGH = "failures_high"
    ENDPOINT_DISABLED = "endpoint_disabled"
    NO_WORKER = "no_worker"
    WATCH_LATE = "watch_late"

    @property
    def event_type(self) -> EventType:
        """The type of its events, both when it is raised and when it is cleared."""
        return EventType.WATCH_LATE if self is AlertKind.WATCH_LATE else EventType(f"alert.{self}")


class AlertState(StrEnum):
    """Whether the event says that the alert was raised or cleared."""

    RAISED = "raised"
    CLEARED = "cleared"


@dataclass(frozen=True, slots=True)
class Concern:
    """A problem that an operator should know about while it lasts.

    Attributes:
        subject: What has the problem: the court, the store, the watches, a process number, an endpoint id or a task
            queue.
        since: When it began.
        details: Further fields of the event, by name. No secrets.
    """

    kind: AlertKind
    subject: str
    since: datetime
    details: Mapping[str, str | int | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Alert:
    """A concern that has been reported.

    Attributes:
        id: The same in both events.
        raised_at: When the problem was noticed.
        cleared_at: When it was noticed that the problem is over. None until then.
    """

    id: str
    concern: Concern
    raised_at: datetime
    cleared_at: datetime | None = None

    @property
    def state(self) -> AlertState:
        """Whether the problem still lasts."""
        return AlertState.RAISED if self.cleared_at is None else AlertState.CLEARED


@dataclass(frozen=True, slots=True)
class AlertReview:
    """The changes found by a check of all conditions for alerts.

    Attributes:
        deliveries: The events that report the changes. The caller has to start them.
    """

    raised: tuple[Alert, ...] = ()
    cleared: tuple[Alert, ...] = ()
    deliveries: tuple[DeliveryRef, ...] = ()


def court_concern(state: CourtState, now: datetime, *, patience: timedelta) -> Concern | None:
    """Return a concern if the court has not answered, or has refused us, for at least ``patience``."""
    if state.failure_code is None or state.since is None or now - state.since < patience:
        return None
    return Concern(AlertKind.COURT_UNAVAILABLE, _COURT, state.since, {"failure_code": state.failure_code.value})


def credentials_concern(token: TokenReport, now: datetime) -> Concern | None:
    """Return a concern if the token is missing or expires within half an hour, and is not renewed automatically.

    A token that the court refuses before it expires is reported by ``court_concern``.
    """
    if not replace(token, rejected=False).needs_help_soon(now):
        return None
    details = {"token_source": token.source, "token_expires_at": format_timestamp(token.expires_at)}
    return Concern(AlertKind.CREDENTIALS_EXPIRING, _COURT, now, details)


def store_concern(circuit: StoreCircuit, now: datetime) -> Concern | None:
    """Return a concern if the store has taken no writes for a minute."""
    if circuit.reason is None or circuit.since is None or now - circuit.since < _STORE_PATIENCE:
        return None
    return Concern(AlertKind.STORE_UNAVAILABLE, _STORE, circuit.since, {"reason": circuit.reason})


def worker_concern(queue: str, since: datetime) -> Concern:
    """Return the concern that no worker has polled a task queue since a time."""
    return Concern(AlertKind.NO_WORKER, queue, since, {"queue": queue})


def watch_concern(late: int, since: datetime | None) -> Concern | None:
    """Return a concern if watched processes were not looked at in time.

    Args:
        late: How many watches are late.
        since: When the first of them became late.
    """
    if not late or since is None:
        return None
    return Concern(AlertKind.WATCH_LATE, _WATCHES, since, {"late_watches": late})


def alert_body(alert: Alert, public_url: str) -> Json:
    """Return an alert as the JSON of its event.

    Args:
        alert: The alert.
        public_url: The API's base URL as clients reach it.
    """
    return {
        "alert_id": alert.id,
        "state": alert.state.value,
        "since": format_timestamp(alert.concern.since),
        "raised_at": format_timestamp(alert.raised_at),
        "cleared_at": format_timestamp(alert.cleared_at),
        **alert.concern.details,
        "status_url": f"{public_url}{_status_path(alert.concern)}",
    }


def alert_log_fields(alert: Alert) -> dict[str, str | int | None]:
    """Return what the log says of an alert that is raised or cleared."""
    concern = alert.concern
    return {
        "alert": alert.id,
        "kind": concern.kind.value,
        "since": format_timestamp(concern.since),
        **concern.details,
    }


def _status_path(concern: Concern) -> str:
    """Return the path of the API where a client can read more about a concern."""
    match concern.kind:
        case AlertKind.COURT_UNAVAILABLE | AlertKind.CREDENTIALS_EXPIRING:
            return "/court/status"
        case AlertKind.STORE_UNAVAILABLE | AlertKind.NO_WORKER:
            return "/health/ready"
        case AlertKind.FAILURES_HIGH:
            return f"/processes/{concern.subject}/status"
        case AlertKind.WATCH_LATE:
            return f"/watches?state={WatchState.LATE}"
        case AlertKind.ENDPOINT_DISABLED:
            return f"/webhooks/endpoints?client={concern.details['client']}"
