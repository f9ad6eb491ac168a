"""Temporal messages about webhook deliveries. Ids and counts only, as in ``domain.run_messages``."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DeliveryRef:
    """A reference to one event for one subscriber.

    Attributes:
        id: The event's id, the same in all attempts.
        number: Increases with each delivery in the catalog.
        first_attempt: The number of the next attempt. Redeliveries continue the numbering.
    """

    id: str
    number: int
    first_attempt: int = 1


@dataclass(frozen=True, slots=True)
class DeliveryRequest:
    """Input of ``DeliverWebhook``.

    Attributes:
        first_attempt: The number of the first attempt. Redeliveries continue the numbering.
    """

    delivery_id: str
    first_attempt: int = 1


@dataclass(frozen=True, slots=True)
class DeliveryAttempt:
    """A request for one delivery attempt.

    Attributes:
        number: Counts from 1.
        next_delay_seconds: Delay until the next attempt if this one fails, for the log. None for the last attempt.
    """

    delivery_id: str
    number: int
    next_delay_seconds: float | None


@dataclass(frozen=True, slots=True)
class AttemptResult:
    """The result of a delivery attempt.

    Attributes:
        delivered: The receiver answered 2xx.
        gone: The receiver answered 410, or may not be called at all. No further attempt is made.
        retry_after: Seconds that the receiver asked us to wait.
    """

    delivered: bool
    gone: bool = False
    retry_after: float | None = None
