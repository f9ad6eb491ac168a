"""The bodies of requests and answers about webhooks."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from api.schemas import Moment, OrderBody, ProcessNumberText, WebhookUrl
from domain.clients import NAME_PATTERN
from domain.webhooks import DeliveryStatus, EventType

ClientName = Annotated[str, Field(pattern=NAME_PATTERN)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class DeliveriesQuery(_Body):
    """The query of the log."""

    status: DeliveryStatus | None = Field(None, description="Only deliveries with this status.")
    process_number: ProcessNumberText | None = Field(None, description="Only deliveries about this process.")
    since: Moment | None = Field(None, description="Only events that happened then or later.")
    client: ClientName | None = Field(None, description="Another client's; needs the scope admin.")
    cursor: str | None = Field(
        None,
        description="As the previous page's next_cursor gave it.",
        json_schema_extra={"format": "position-cursor"},
    )
    limit: int = Field(50, ge=1, le=100, description="Deliveries in a page.")


class EndpointsQuery(_Body):
    """The query of the failing addresses."""

    client: ClientName | None = Field(None, description="Another client's; needs the scope admin.")


class TestBody(OrderBody):
    """Where a test event goes."""

    # Not a test, whatever its name begins with.
    __test__ = False

    url: WebhookUrl = Field(description="The address; what is said of a webhook_url holds for it.")


class RedeliverBody(OrderBody):
    """What is sent again."""

    failed_since: Moment = Field(description="Every delivery that was given up then or later.")


class AttemptBody(_Body):
    """One attempt at a delivery."""

    number: int = Field(description="Counts from 1, on over every redelivery.")
    sent_at: datetime
    status_code: int | None = Field(description="Null if there was no answer.")
    latency_ms: int | None = Field(description="Null if nothing was sent.")
    excerpt: str | None = Field(description="The beginning of the answer, at most 4 KiB.")
    error: str | None = Field(description="Why there was no answer.")


class DeliveryBody(_Body):
    """One event for one subscriber."""

    id: str = Field(description="The event's id: the webhook-id of every attempt.")
    event_type: EventType
    process_number: str | None = Field(description="Null for a test.")
    run_id: str | None = Field(description="Null for a test.")
    client: str
    url: str
    status: DeliveryStatus
    created_at: datetime
    delivered_at: datetime | None
    given_up_at: datetime | None
    next_attempt_at: datetime | None = Field(description="Null once it has ended.")
    attempts: list[AttemptBody]


class DeliveriesBody(_Body):
    """A page of the log, the newest first."""

    deliveries: list[DeliveryBody]
    next_cursor: str | None
    deliveries_next: str | None = Field(description="Where the next page is.")


class RedeliveredBody(_Body):
    """What came of sending again all that had failed."""

    redelivered: int = Field(description="How many are sent again now, at most 100.")
    more: bool = Field(description="Whether to ask again, for those that are left.")


class EndpointBody(_Body):
    """An address that takes nothing at present."""

    id: str
    client: str
    url: str
    failing_since: datetime = Field(description="The first failure after its last success.")
    switched_off_at: datetime | None = Field(description="Since when nothing is sent to it; null if it is.")


class EndpointsBody(_Body):
    """The addresses that take nothing at present, the longest first; at most 200."""

    endpoints: list[EndpointBody]
