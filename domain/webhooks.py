"""Webhook events, their deliveries, and the retry schedule."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID, uuid5

from domain.clients import Scope
from domain.completeness import Outcome
from domain.processes import Run
from domain.serializers import Json, format_timestamp

# Delay before each attempt in seconds, from the attempt before: the published schedule of Standard Webhooks.
DELIVERY_SCHEDULE: tuple[float, ...] = (
    0,
    5,
    5 * 60,
    30 * 60,
    2 * 3600,
    5 * 3600,
    10 * 3600,
    14 * 3600,
    20 * 3600,
    24 * 3600,
)
# Version of the events' format. It changes with each breaking change for receivers.
EVENT_VERSION = 1
# An endpoint that has accepted nothing for this long is switched off. The schedule of one event ends before that.
SWITCH_OFF_AFTER = timedelta(days=5)
# A failure this long after the last one starts a new streak: had a delivery been pending, one of its attempts would
# have failed in between.
FAILURE_STREAK_GAP = timedelta(hours=30)
# Per delivery, in the delivery log: a delivery may be redelivered any number of times.
MAX_LISTED_ATTEMPTS = 20
ENDPOINT_OFF = "endpoint switched off"
CLIENT_GONE = "every key of the client is revoked"
EVENT_GONE = "what the event tells is older than it is kept"
NOTHING_TO_SHOW = "the client may see nothing of what the event tells"
SUPERSEDED = "the run was reset; its new end is announced by another event"
_ENDPOINTS = UUID("6f0d8a4e-9c1b-4d6a-8f37-2f0f7f1a5c3e")


class EventType(StrEnum):
    """The types of events that a subscriber can receive."""

    PROCESS_COMPLETED = "process.completed"
    PROCESS_PARTIAL = "process.partial"
    PROCESS_FAILED = "process.failed"
    PROCESS_CANCELLED = "process.cancelled"
    BUNDLE_READY = "bundle.ready"
    BUNDLE_FAILED = "bundle.failed"
    WEBHOOK_TEST = "webhook.test"
    ALERT_COURT_UNAVAILABLE = "alert.court_unavailable"
    ALERT_CREDENTIALS_EXPIRING = "alert.credentials_expiring"
    ALERT_STORE_UNAVAILABLE = "alert.store_unavailable"
    ALERT_FAILURES_HIGH = "alert.failures_high"
    ALERT_ENDPOINT_DISABLED = "alert.endpoint_disabled"
    ALERT_NO_WORKER = "alert.no_worker"
    DOCUMENTS_ADDED = "process.documents_added"
    DOCUMENTS_UNLISTED = "process.documents_unlisted"
    SECRECY_CHANGED = "process.secrecy_changed"
    WATCH_CHECKED = "watch.checked"
    WATCH_LATE = "watch.late"

    @property
    def is_run_end(self) -> bool:
        """Whether it announces the end of a run."""
        return self in _RUN_ENDS

    @property
    def is_watch_news(self) -> bool:
        """Whether it tells a client something about a process that it watches."""
        return self in _WATCH_NEWS

    @property
    def is_bundle_end(self) -> bool:
        """Whether it announces the end of a build of a bundle."""
        return self in _BUNDLE_ENDS

    @property
    def has_details(self) -> bool:
        """Whether what it tells is in the client's list of events, and gone with it."""
        return self.is_watch_news or self.is_bundle_end

    @classmethod
    def of(cls, outcome: Outcome) -> EventType:
        """Return the event type that announces the outcome of a run."""
        return cls(f"process.{outcome}")


_RUN_ENDS = frozenset(map(EventType.of, Outcome))
_BUNDLE_ENDS = frozenset({EventType.BUNDLE_READY, EventType.BUNDLE_FAILED})
_WATCH_NEWS = frozenset(
    {
        EventType.DOCUMENTS_ADDED,
        EventType.DOCUMENTS_UNLISTED,
        EventType.SECRECY_CHANGED,
        EventType.WATCH_CHECKED,
    }
)


class DeliveryStatus(StrEnum):
    """The status of a delivery. A redelivery makes a finished delivery pending again."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event for one subscriber.

    Attributes:
        id: The event's id, the same at every attempt. It contains no full stop.
        number: Increases with each delivery in the catalog.
        client: The client that subscribed. Its secret signs the event.
        created_at: When the event happened.
        process_number: The event's process. None for a test.
        run_id: The run whose end it announces. None for a test.
        run_end: Which of the run's ends, counted from 1. None for a test.
        delivered_at: When a receiver accepted it.
        given_up_at: When it was decided that no further attempt is made.
        next_attempt_at: When the next attempt is due. None once the delivery has finished.
    """

    id: str
    number: int
    client: str
    url: str
    event_type: EventType
    status: DeliveryStatus
    created_at: datetime
    process_number: str | None = None
    run_id: str | None = None
    run_end: int | None = None
    delivered_at: datetime | None = None
    given_up_at: datetime | None = None
    next_attempt_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """What a delivery attempt needs to know.

    Attributes:
        run: The run whose end is announced. None for other events.
        details: What an event of a watch or of a bundle tells. None for other events, and if it is no longer kept.
        endpoint_off: Nothing is sent to the endpoint until it is switched on again.
        scopes: The intersection of the scopes of all keys that the client ever had. Empty if all are revoked.
    """

    delivery: Delivery
    run: Run | None
    endpoint_off: bool
    scopes: frozenset[Scope]
    details: Json | None = None

    @property
    def refusal(self) -> str | None:
        """Why nothing may be sent. None if the event may be sent."""
        if self.endpoint_off:
            return ENDPOINT_OFF
        if self.run is not None and (self.run.outcome is None or self.run.end_count != self.delivery.run_end):
            return SUPERSEDED
        if self.delivery.event_type.has_details and self.details is None:
            return EVENT_GONE
        return None if self.scopes else CLIENT_GONE


@dataclass(frozen=True, slots=True)
class SentAttempt:
    """One delivery attempt in the delivery log.

    Attributes:
        number: Counts from 1. Redeliveries continue the numbering.
        latency_ms: How long the receiver took. None if nothing was sent.
        excerpt: The beginning of the receiver's response body.
        error: Why there was no response, in general words.
    """

    number: int
    sent_at: datetime
    status_code: int | None = None
    latency_ms: int | None = None
    excerpt: str | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class LoggedDelivery:
    """A delivery with its latest attempts, in the order in which they were made."""

    delivery: Delivery
    attempts: tuple[SentAttempt, ...]


@dataclass(frozen=True, slots=True)
class FailingEndpoint:
    """An endpoint of a client that accepts nothing.

    Attributes:
        failing_since: The first failure since the last success, or since a long time without attempts.
        switched_off_at: When it was switched off for failing too long. None while events are still sent to it.
    """

    id: str
    client: str
    url: str
    failing_since: datetime
    switched_off_at: datetime | None


def event_body(event_type: EventType, created_at: datetime, data: Json) -> Json:
    """Return the JSON of an event.

    Args:
        event_type: Its type.
        created_at: When it happened.
        data: What the event is about.
    """
    return {
        "type": event_type,
        "version": EVENT_VERSION,
        "timestamp": format_timestamp(created_at),
        "data": data,
    }


def endpoint_id(client: str, url: str) -> str:
    """Return the stable id of a client's endpoint. The address cannot be derived from it."""
    return f"ep_{uuid5(_ENDPOINTS, f'{client} {url}').hex}"
