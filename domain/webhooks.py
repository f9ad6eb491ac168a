"""What subscribers are told, and when it is tried again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

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


class EventType(StrEnum):
    """The events that a subscriber can receive."""

    PROCESS_COMPLETED = "process.completed"
    PROCESS_PARTIAL = "process.partial"
    PROCESS_FAILED = "process.failed"
    PROCESS_CANCELLED = "process.cancelled"

    @classmethod
    def of(cls, outcome: Outcome) -> EventType:
        """The event that announces how a run ended."""
        return cls(f"process.{outcome}")


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event for one subscriber.

    Attributes:
        id: the event's id, the same at every attempt; holds no full stop.
        created_at: when the event happened.
        delivered: a receiver has taken it.
        given_up: no further attempt is made.
    """

    id: str
    number: int
    process_number: str
    court: str
    url: str
    event_type: EventType
    created_at: datetime
    delivered: bool
    given_up: bool
    run: Run


@dataclass(frozen=True, slots=True)
class SentAttempt:
    """One attempt at a delivery, as it is logged.

    Attributes:
        excerpt: the beginning of what the receiver answered.
        error: why there was no answer, in general words.
    """

    number: int
    sent_at: datetime
    status_code: int | None
    latency_ms: int
    excerpt: str | None
    error: str | None
    next_attempt_at: datetime | None
