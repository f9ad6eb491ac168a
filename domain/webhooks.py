"""What subscribers are told, and when it is tried again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID, uuid5

from domain.clients import Scope
from domain.completeness import Outcome
from domain.processes import Run

# Seconds before each attempt, counted from the one before it: the published schedule of Standard Webhooks.
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
# Of the events' form: it changes when a receiver that reads the present one would stumble.
EVENT_VERSION = 1
# An address that has taken nothing for so long is switched off: the schedule of one event is over before that.
SWITCH_OFF_AFTER = timedelta(days=5)
# A failure so long after the last one begins anew: every delivery on its schedule would have failed in between.
FAILURES_APART = timedelta(hours=30)
# Of one delivery, in the log: it may be sent again for ever.
SHOWN_ATTEMPTS = 20
ENDPOINT_OFF = "endpoint switched off"
CLIENT_GONE = "every key of the client is revoked"
SUPERSEDED = "the run was reset; its new end is announced by another event"
_ENDPOINTS = UUID("6f0d8a4e-9c1b-4d6a-8f37-2f0f7f1a5c3e")


class EventType(StrEnum):
    """The events that a subscriber can receive."""

    PROCESS_COMPLETED = "process.completed"
    PROCESS_PARTIAL = "process.partial"
    PROCESS_FAILED = "process.failed"
    PROCESS_CANCELLED = "process.cancelled"
    WEBHOOK_TEST = "webhook.test"
    ALERT_COURT_UNAVAILABLE = "alert.court_unavailable"
    ALERT_CREDENTIALS_EXPIRING = "alert.credentials_expiring"
    ALERT_STORE_UNAVAILABLE = "alert.store_unavailable"
    ALERT_FAILURES_HIGH = "alert.failures_high"
    ALERT_ENDPOINT_DISABLED = "alert.endpoint_disabled"

    @classmethod
    def of(cls, outcome: Outcome) -> EventType:
        """The event that announces how a run ended."""
        return cls(f"process.{outcome}")


class DeliveryStatus(StrEnum):
    """What has become of a delivery. One that has ended becomes pending again when it is asked for anew."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event for one subscriber.

    Attributes:
        id: the event's id, the same at every attempt; holds no full stop.
        number: counts upwards within the catalog.
        client: whose subscription it is, and whose secret signs it.
        created_at: when the event happened.
        process_number: the process that it tells of; none for a test.
        run_id: of the run whose end it announces; none for a test.
        run_end: which of the run's ends, counted from 1; none for a test.
        delivered_at: when a receiver took it.
        given_up_at: when it was said that no further attempt is made.
        next_attempt_at: when it is tried again; none once it has ended.
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
    """What an attempt needs to know.

    Attributes:
        run: the run whose end is announced; none for a test.
        endpoint_off: nothing is sent to the address until it is switched on again.
        scopes: what every key that the client ever had may do; none if all of them are revoked.
    """

    delivery: Delivery
    run: Run | None
    endpoint_off: bool
    scopes: frozenset[Scope]

    @property
    def refusal(self) -> str | None:
        """Why nothing is sent, whoever waits there; none if it is."""
        if self.endpoint_off:
            return ENDPOINT_OFF
        if self.run is not None and (self.run.outcome is None or self.run.end_count != self.delivery.run_end):
            return SUPERSEDED
        return None if self.scopes else CLIENT_GONE


@dataclass(frozen=True, slots=True)
class SentAttempt:
    """One attempt at a delivery, as it is logged.

    Attributes:
        number: counts from 1, on over every redelivery.
        latency_ms: how long the receiver took; none if nothing was sent.
        excerpt: the beginning of what the receiver answered.
        error: why there was no answer, in general words.
    """

    number: int
    sent_at: datetime
    status_code: int | None = None
    latency_ms: int | None = None
    excerpt: str | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class LoggedDelivery:
    """A delivery with the latest attempts at it, the first one first."""

    delivery: Delivery
    attempts: tuple[SentAttempt, ...]


@dataclass(frozen=True, slots=True)
class FailingEndpoint:
    """An address of a client that has taken nothing since a time.

    Attributes:
        failing_since: the first failure after its last success, or after a time in which nothing was sent.
        switched_off_at: when it was found to have failed for so long that nothing is sent to it any more.
    """

    id: str
    client: str
    url: str
    failing_since: datetime
    switched_off_at: datetime | None


def endpoint_id(client: str, url: str) -> str:
    """The id of a client's address, the same whoever asks; the address cannot be read from it."""
    return f"ep_{uuid5(_ENDPOINTS, f'{client} {url}').hex}"
