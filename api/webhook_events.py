"""The events that subscribers receive, for OpenAPI and as JSON Schema."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from api.schemas import DocumentBody, RunBody
from domain.alerts import AlertState
from domain.completeness import Outcome
from domain.errors import FailureCode
from domain.webhooks import EventType

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class EndedRunBody(_Body):
    """How a run ended, and what the process holds since then."""

    process_number: str
    court: str
    outcome: Outcome
    run: RunBody
    total_documents: int | None = Field(None, description="The counts are missing if the run was killed.")
    available_documents: int | None = None
    pending_documents: int | None = None
    failed_documents: int | None = None
    no_content_documents: int | None = None
    progress_percentage: float | None = None
    available_bytes: int | None = None
    status_url: str
    documents_url: str = Field(description="Pages of all documents.")
    documents: list[DocumentBody] | None = Field(
        description="With links signed at this attempt; null for more than 100 documents."
    )


class _Event(_Body):
    version: Literal[1] = Field(description="Of the event's form.")
    timestamp: datetime = Field(description="When it happened, the same at every attempt.")


class _Ended(_Event):
    data: EndedRunBody


class ProcessCompleted(_Ended):
    """A run has ended, and every document is available."""

    type: Literal[EventType.PROCESS_COMPLETED]


class ProcessPartial(_Ended):
    """A run has ended, and some documents could not be had."""

    type: Literal[EventType.PROCESS_PARTIAL]


class ProcessFailed(_Ended):
    """A run has ended because the process itself could not be had."""

    type: Literal[EventType.PROCESS_FAILED]


class ProcessCancelled(_Ended):
    """A run was cancelled."""

    type: Literal[EventType.PROCESS_CANCELLED]


class TestedBody(_Body):
    """Who asked for a test."""

    client: str


class WebhookTest(_Event):
    """A test, sent because a client asked for it."""

    type: Literal[EventType.WEBHOOK_TEST]
    data: TestedBody


class _AlertBody(_Body):
    alert_id: str = Field(description="The same when it is raised and when it is cleared.")
    state: AlertState
    since: datetime = Field(description="When that began which it tells of.")
    raised_at: datetime
    cleared_at: datetime | None = Field(description="Null in the event that raises it.")
    status_url: str = Field(description="Where the API says more.")


class CourtUnavailableBody(_AlertBody):
    """Why the court did not answer when the alert was raised."""

    failure_code: FailureCode


class CredentialsExpiringBody(_AlertBody):
    """The token in use when the alert was raised."""

    token_source: str | None = Field(description="`stored`, `file`, `environment`; null if there is none.")
    token_expires_at: datetime | None


class StoreUnavailableBody(_AlertBody):
    """Why the store took no writes when the alert was raised."""

    reason: str


class FailuresHighBody(_AlertBody):
    """A process, and the run that the alert was raised for."""

    process_number: str
    run_id: str
    total_documents: int
    available_documents: int
    failed_documents: int


class EndpointDisabledBody(_AlertBody):
    """An address that is switched off, without the address itself."""

    endpoint_id: str
    client: str


class AlertCourtUnavailable(_Event):
    """To the operator: the court has not answered for some minutes, or refuses us; and that it does again."""

    type: Literal[EventType.ALERT_COURT_UNAVAILABLE]
    data: CourtUnavailableBody


class AlertCredentialsExpiring(_Event):
    """To the operator: the court's token ends soon and nobody renews it; and that there is a better one."""

    type: Literal[EventType.ALERT_CREDENTIALS_EXPIRING]
    data: CredentialsExpiringBody


class AlertStoreUnavailable(_Event):
    """To the operator: the object store has taken no writes for a minute, and runs wait; and that it does again."""

    type: Literal[EventType.ALERT_STORE_UNAVAILABLE]
    data: StoreUnavailableBody


class AlertFailuresHigh(_Event):
    """To the operator: most documents of a process failed in a run; and that a later one ended better."""

    type: Literal[EventType.ALERT_FAILURES_HIGH]
    data: FailuresHighBody


class AlertEndpointDisabled(_Event):
    """To the operator: a client's address is switched off; and that it is not any more."""

    type: Literal[EventType.ALERT_ENDPOINT_DISABLED]
    data: EndpointDisabledBody


EVENTS: dict[EventType, type[BaseModel]] = {
    EventType.PROCESS_COMPLETED: ProcessCompleted,
    EventType.PROCESS_PARTIAL: ProcessPartial,
    EventType.PROCESS_FAILED: ProcessFailed,
    EventType.PROCESS_CANCELLED: ProcessCancelled,
    EventType.WEBHOOK_TEST: WebhookTest,
    EventType.ALERT_COURT_UNAVAILABLE: AlertCourtUnavailable,
    EventType.ALERT_CREDENTIALS_EXPIRING: AlertCredentialsExpiring,
    EventType.ALERT_STORE_UNAVAILABLE: AlertStoreUnavailable,
    EventType.ALERT_FAILURES_HIGH: AlertFailuresHigh,
    EventType.ALERT_ENDPOINT_DISABLED: AlertEndpointDisabled,
}


def event_schema(event_type: EventType) -> dict[str, Any]:
    """The JSON Schema of an event."""
    return {"$schema": _DIALECT, **EVENTS[event_type].model_json_schema()}


def described_events() -> APIRouter:
    """What OpenAPI says of the requests that subscribers receive."""
    router = APIRouter(tags=["events"])
    for event_type, model in EVENTS.items():
        router.add_api_route(
            event_type,
            _receiver_of(model),
            methods=["POST"],
            name=event_type,
            summary=event_type,
            description=model.__doc__,
            status_code=204,
            response_description="Taken. Any 2xx will do.",
        )
    return router


def _receiver_of(model: type[BaseModel]) -> Any:
    # Never called: FastAPI reads from it what the body is.
    async def receive(body: Any) -> None: ...

    receive.__annotations__["body"] = model
    return receive
