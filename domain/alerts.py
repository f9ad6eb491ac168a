"""What the operator is told without asking: once when it begins, and once when it is over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from domain.court import CourtState, TokenReport
from domain.messages import DeliveryRef
from domain.representation import Json, moment
from domain.store_circuit import StoreCircuit
from domain.webhooks import EventType

# A process of one or two documents says nothing of the service.
FEWEST_DOCUMENTS = 3
# A run that ended before that is no news any more.
NEWS = timedelta(days=1)
# There is one court and one store, and so one thing of a kind to be told of each.
_COURT = "court"
_STORE = "store"
# Long enough for a store that is restarted, and short enough for one that refuses writes for good.
_STORE_PATIENCE = timedelta(minutes=1)


class AlertKind(StrEnum):
    """What there are alerts for."""

    COURT_UNAVAILABLE = "court_unavailable"
    CREDENTIALS_EXPIRING = "credentials_expiring"
    STORE_UNAVAILABLE = "store_unavailable"
    FAILURES_HIGH = "failures_high"
    ENDPOINT_DISABLED = "endpoint_disabled"

    @property
    def event_type(self) -> EventType:
        """The event that tells of it, both times."""
        return EventType(f"alert.{self}")


class AlertState(StrEnum):
    """Which of the two times it is told."""

    RAISED = "raised"
    CLEARED = "cleared"


@dataclass(frozen=True, slots=True)
class Concern:
    """Something that an operator should know as long as it lasts.

    Attributes:
        subject: what it is about: the court, a process by its number, or an address by its id.
        since: when it began.
        details: what is told of it besides, by the names that stand in the event; no secrets.
    """

    kind: AlertKind
    subject: str
    since: datetime
    details: Mapping[str, str | int | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Alert:
    """A concern that has been raised.

    Attributes:
        id: the same when it is raised and when it is cleared.
        raised_at: when it was noticed.
        cleared_at: when it was noticed to be over; none until then.
    """

    id: str
    concern: Concern
    raised_at: datetime
    cleared_at: datetime | None = None

    @property
    def state(self) -> AlertState:
        """Whether it lasts."""
        return AlertState.RAISED if self.cleared_at is None else AlertState.CLEARED


@dataclass(frozen=True, slots=True)
class AlertReview:
    """What a look at everything that there are alerts for has changed.

    Attributes:
        deliveries: the events that tell of it, for the caller to start.
    """

    raised: tuple[Alert, ...] = ()
    cleared: tuple[Alert, ...] = ()
    deliveries: tuple[DeliveryRef, ...] = ()


def court_concern(condition: CourtState, now: datetime, *, patience: timedelta) -> Concern | None:
    """A court that has not answered, or has refused us, for longer than patience lasts."""
    if condition.failure_code is None or condition.since is None or now - condition.since < patience:
        return None
    return Concern(
        AlertKind.COURT_UNAVAILABLE, _COURT, condition.since, {"failure_code": condition.failure_code.value}
    )


def credentials_concern(token: TokenReport, now: datetime) -> Concern | None:
    """A token that ends within half an hour, or has ended, or is missing, and is not renewed without help.

    One that the court refuses before its end is the court's concern.
    """
    if not replace(token, rejected=False).needs_help_soon(now):
        return None
    details = {"token_source": token.source, "token_expires_at": moment(token.expires_at)}
    return Concern(AlertKind.CREDENTIALS_EXPIRING, _COURT, now, details)


def store_concern(circuit: StoreCircuit, now: datetime) -> Concern | None:
    """Return the concern about a store that has taken no writes for a minute. None if it takes them."""
    if circuit.reason is None or circuit.since is None or now - circuit.since < _STORE_PATIENCE:
        return None
    return Concern(AlertKind.STORE_UNAVAILABLE, _STORE, circuit.since, {"reason": circuit.reason})


def alert_body(alert: Alert) -> Json:
    """An alert as its event tells it."""
    return {
        "alert_id": alert.id,
        "state": alert.state.value,
        "since": moment(alert.concern.since),
        "raised_at": moment(alert.raised_at),
        "cleared_at": moment(alert.cleared_at),
        **alert.concern.details,
    }
