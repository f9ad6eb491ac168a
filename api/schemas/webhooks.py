"""Webhooks: queries, and bodies of requests and answers."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field

from api.schemas.base import Body, Moment, ProcessNumberText, RequestBody, UtcTime, WebhookUrl
from domain.clients import NAME_PATTERN
from domain.webhooks import DeliveryStatus, EventType, FailingEndpoint, LoggedDelivery, SentAttempt

ClientName = Annotated[str, Field(pattern=NAME_PATTERN)]


class DeliveriesQuery(Body):
    """The query of the list of deliveries."""

    status: DeliveryStatus | None = Field(None, description="Only deliveries with this status.")
    process_number: ProcessNumberText | None = Field(None, description="Only deliveries about this process.")
    since: Moment | None = Field(None, description="Only events that happened at or after this time.")
    client: ClientName | None = Field(None, description="Deliveries of another client. Requires the scope `admin`.")
    cursor: str | None = Field(
        None,
        description="The `next_cursor` of the previous page.",
        json_schema_extra={"x-format": "position-cursor"},
    )
    limit: int = Field(50, ge=1, le=100, description="Deliveries per page.")


class EndpointsQuery(Body):
    """The query of the list of failing endpoints."""

    client: ClientName | None = Field(None, description="Endpoints of another client. Requires the scope `admin`.")


class TestBody(RequestBody):
    """Where to send a test event."""

    # Keeps pytest from collecting the class by its name.
    __test__ = False

    url: WebhookUrl = Field(description="The endpoint's URL. The rules for `webhook_url` apply.")


class RedeliverBody(RequestBody):
    """Which failed deliveries to send again."""

    failed_since: Moment = Field(description="Deliveries that were given up at or after this time.")


class AttemptBody(Body):
    """One attempt at a delivery."""

    number: int = Field(description="Counts from 1, and continues over redeliveries.")
    sent_at: UtcTime
    status_code: int | None = Field(description="Null if there was no answer.")
    latency_ms: int | None = Field(description="Null if nothing was sent.")
    excerpt: str | None = Field(description="Beginning of the answer, at most 4 KiB.")
    error: str | None = Field(description="Why there was no answer.")

    @classmethod
    def of(cls, attempt: SentAttempt) -> Self:
        """Return the body of an attempt."""
        return cls(
            number=attempt.number,
            sent_at=attempt.sent_at,
            status_code=attempt.status_code,
            latency_ms=attempt.latency_ms,
            excerpt=attempt.excerpt,
            error=attempt.error,
        )


class DeliveryBody(Body):
    """One event for one subscriber."""

    id: str = Field(description="The event's id: the `webhook-id` of every attempt.")
    event_type: EventType
    process_number: str | None = Field(description="Null for a test.")
    run_id: str | None = Field(description="Null for a test.")
    client: str
    url: str
    status: DeliveryStatus
    created_at: UtcTime
    delivered_at: UtcTime | None
    given_up_at: UtcTime | None
    next_attempt_at: UtcTime | None = Field(description="Null once the delivery has ended.")
    attempts: list[AttemptBody]

    @classmethod
    def of(cls, logged: LoggedDelivery) -> Self:
        """Return the body of a delivery."""
        delivery = logged.delivery
        return cls(
            id=delivery.id,
            event_type=delivery.event_type,
            process_number=delivery.process_number,
            run_id=delivery.run_id,
            client=delivery.client,
            url=delivery.url,
            status=delivery.status,
            created_at=delivery.created_at,
            delivered_at=delivery.delivered_at,
            given_up_at=delivery.given_up_at,
            next_attempt_at=delivery.next_attempt_at,
            attempts=[AttemptBody.of(attempt) for attempt in logged.attempts],
        )


class DeliveriesBody(Body):
    """A page of deliveries, newest first."""

    deliveries: list[DeliveryBody]
    next_cursor: str | None
    deliveries_next: str | None = Field(description="URL of the next page.")


class RedeliveredBody(Body):
    """The result of redelivering failed events."""

    redelivered: int = Field(description="Number of events that are sent again now, at most 100.")
    more: bool = Field(description="Whether more are left. Send the request again for those.")


class EndpointBody(Body):
    """A failing endpoint."""

    id: str
    client: str
    url: str
    failing_since: UtcTime = Field(description="First failure after the last success.")
    switched_off_at: UtcTime | None = Field(
        description="When the endpoint was switched off. Null if events are still sent to it."
    )

    @classmethod
    def of(cls, endpoint: FailingEndpoint) -> Self:
        """Return the body of an endpoint."""
        return cls(
            id=endpoint.id,
            client=endpoint.client,
            url=endpoint.url,
            failing_since=endpoint.failing_since,
            switched_off_at=endpoint.switched_off_at,
        )


class EndpointsBody(Body):
    """Failing endpoints, those that have failed longest first; at most 200."""

    endpoints: list[EndpointBody]
