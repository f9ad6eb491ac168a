"""The webhook events, for OpenAPI and as JSON Schema."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field

from api.schemas.base import Body, UtcTime
from api.schemas.bundles import BundleBody
from api.schemas.documents import DocumentBody
from api.schemas.processes import RunBody
from domain.alerts import AlertState
from domain.completeness import Outcome
from domain.errors import FailureCode
from domain.webhooks import EventType

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


class EndedRunBody(Body):
    """How a run ended, and the state of the process since then."""

    process_number: str
    court: str
    outcome: Outcome
    run: RunBody
    total_documents: int | None = Field(None, description="The counts are null if the run was killed.")
    available_documents: int | None = None
    pending_documents: int | None = None
    failed_documents: int | None = None
    no_content_documents: int | None = None
    progress_percentage: float | None = None
    available_bytes: int | None = None
    status_url: str
    documents_url: str = Field(description="URL of all documents, in pages.")
    documents: list[DocumentBody] | None = Field(
        description="With links signed for this attempt. Null if there are more than 100 documents."
    )


class _Event(Body):
    version: Literal[1] = Field(description="Version of the event's schema.")
    timestamp: UtcTime = Field(description="When the event happened. The same at every attempt.")


class _RunEnded(_Event):
    data: EndedRunBody


class ProcessCompleted(_RunEnded):
    """A run has ended and every document is available."""

    type: Literal[EventType.PROCESS_COMPLETED]


class ProcessPartial(_RunEnded):
    """A run has ended and some documents could not be downloaded."""

    type: Literal[EventType.PROCESS_PARTIAL]


class ProcessFailed(_RunEnded):
    """A run has ended because the process itself could not be read."""

    type: Literal[EventType.PROCESS_FAILED]


class ProcessCancelled(_RunEnded):
    """A run was cancelled."""

    type: Literal[EventType.PROCESS_CANCELLED]


class _WatchNewsBody(Body):
    process_number: str
    court: str
    run_id: str = Field(description="The run whose listing has shown it.")
    checked_at: UtcTime | None = Field(description="When the court listed the process, or refused to.")


class _ChangesBody(_WatchNewsBody):
    document_ids: list[str] = Field(
        description="The documents, at most 100. Those that the client may not see are left out, and do not count."
    )
    changes_url: str = Field(description="URL of the changes that the event tells, with everything about them.")


class DocumentsAddedBody(_ChangesBody):
    """New documents of a watched process. The counts are those of now."""

    added_documents: int
    available_documents: int
    pending_documents: int = Field(description="Not stored. Usually only with `download: false`.")
    failed_documents: int
    no_content_documents: int


class DocumentsUnlistedBody(_ChangesBody):
    """Documents that two listings, at least 24 hours apart, no longer have."""

    unlisted_documents: int


class SecrecyChangedBody(_ChangesBody):
    """What has another secrecy level."""

    levels: list[str] = Field(description="`process` or `instance`, if their own level has changed.")
    changed_documents: int


class WatchCheckedBody(_WatchNewsBody):
    """The last look at a watched process."""

    failure_code: FailureCode | None = Field(description="Null if the court has listed the process.")
    next_look_at: UtcTime
    watch_url: str


class DocumentsAdded(_Event):
    """To a watcher: the court lists documents that it did not list before."""

    type: Literal[EventType.DOCUMENTS_ADDED]
    data: DocumentsAddedBody


class DocumentsUnlisted(_Event):
    """To a watcher: the court no longer lists documents."""

    type: Literal[EventType.DOCUMENTS_UNLISTED]
    data: DocumentsUnlistedBody


class SecrecyChanged(_Event):
    """To a watcher: the secrecy level of the process, of an instance or of documents has changed."""

    type: Literal[EventType.SECRECY_CHANGED]
    data: SecrecyChangedBody


class WatchChecked(_Event):
    """To a watcher with `notify: always`: the process was looked at, whether something is new or not."""

    type: Literal[EventType.WATCH_CHECKED]
    data: WatchCheckedBody


class EndedBundleBody(Body):
    """A bundle whose build has ended."""

    process_number: str
    court: str
    bundle: BundleBody | None = Field(
        description="If it is ready, with a link signed for this attempt or answer. Null if the client's keys (in "
        "an answer: the key) may not read all that is inside, or it was deleted or requested again meanwhile."
    )
    bundle_url: str = Field(description="URL of the bundle, with fresh links.")


class BundleReady(_Event):
    """A bundle is ready."""

    type: Literal[EventType.BUNDLE_READY]
    data: EndedBundleBody


class BundleFailed(_Event):
    """A bundle was not built. It is tried again when somebody requests it again, and its end announced again."""

    type: Literal[EventType.BUNDLE_FAILED]
    data: EndedBundleBody


class TestedBody(Body):
    """The client that requested a test."""

    client: str


class WebhookTest(_Event):
    """A test event, sent at a client's request."""

    type: Literal[EventType.WEBHOOK_TEST]
    data: TestedBody


class _AlertBody(Body):
    alert_id: str = Field(description="The same when the alert is raised and when it is cleared.")
    state: AlertState
    since: UtcTime = Field(description="When the condition began.")
    raised_at: UtcTime
    cleared_at: UtcTime | None = Field(description="Null in the event that raises the alert.")
    status_url: str = Field(description="URL with more details.")


class CourtUnavailableBody(_AlertBody):
    """Why the court did not answer when the alert was raised."""

    failure_code: FailureCode


class CredentialsExpiringBody(_AlertBody):
    """The token in use when the alert was raised."""

    token_source: str | None = Field(description="`stored`, `file` or `environment`. Null if there is no token.")
    token_expires_at: UtcTime | None


class StoreUnavailableBody(_AlertBody):
    """Why the store refused writes when the alert was raised."""

    reason: str


class FailuresHighBody(_AlertBody):
    """The process and the run for which the alert was raised."""

    process_number: str
    run_id: str
    total_documents: int
    available_documents: int
    failed_documents: int


class EndpointDisabledBody(_AlertBody):
    """An endpoint that is switched off. Its URL is not included."""

    endpoint_id: str
    client: str


class NoWorkerBody(_AlertBody):
    """The task queue that no worker serves."""

    queue: str = Field(
        description="`processes`: runs and webhooks; `court`: requests to the court; `bundles`: builds of bundles."
    )


class WatchLateBody(_AlertBody):
    """How many watches were late when the alert was raised."""

    late_watches: int


class AlertCourtUnavailable(_Event):
    """To the operator: the court has not answered for some minutes or refuses us, or it answers again."""

    type: Literal[EventType.ALERT_COURT_UNAVAILABLE]
    data: CourtUnavailableBody


class AlertCredentialsExpiring(_Event):
    """To the operator: the court's token expires soon and is not renewed, or it has been replaced."""

    type: Literal[EventType.ALERT_CREDENTIALS_EXPIRING]
    data: CredentialsExpiringBody


class AlertStoreUnavailable(_Event):
    """To the operator: the object store has refused writes for a minute and runs wait, or it takes writes again."""

    type: Literal[EventType.ALERT_STORE_UNAVAILABLE]
    data: StoreUnavailableBody


class AlertFailuresHigh(_Event):
    """To the operator: most documents of a process failed in a run, or a later run ended better."""

    type: Literal[EventType.ALERT_FAILURES_HIGH]
    data: FailuresHighBody


class AlertEndpointDisabled(_Event):
    """To the operator: a client's endpoint was switched off, or it was switched on again."""

    type: Literal[EventType.ALERT_ENDPOINT_DISABLED]
    data: EndpointDisabledBody


class AlertNoWorker(_Event):
    """To the operator: a task queue has had no worker for a minute, or it has one again."""

    type: Literal[EventType.ALERT_NO_WORKER]
    data: NoWorkerBody


class WatchLate(_Event):
    """To the operator: watched processes were not looked at in time, or all of them have been by now."""

    type: Literal[EventType.WATCH_LATE]
    data: WatchLateBody


EVENTS: dict[EventType, type[BaseModel]] = {
    EventType.PROCESS_COMPLETED: ProcessCompleted,
    EventType.PROCESS_PARTIAL: ProcessPartial,
    EventType.PROCESS_FAILED: ProcessFailed,
    EventType.PROCESS_CANCELLED: ProcessCancelled,
    EventType.DOCUMENTS_ADDED: DocumentsAdded,
    EventType.DOCUMENTS_UNLISTED: DocumentsUnlisted,
    EventType.SECRECY_CHANGED: SecrecyChanged,
    EventType.WATCH_CHECKED: WatchChecked,
    EventType.BUNDLE_READY: BundleReady,
    EventType.BUNDLE_FAILED: BundleFailed,
    EventType.WEBHOOK_TEST: WebhookTest,
    EventType.ALERT_COURT_UNAVAILABLE: AlertCourtUnavailable,
    EventType.ALERT_CREDENTIALS_EXPIRING: AlertCredentialsExpiring,
    EventType.ALERT_STORE_UNAVAILABLE: AlertStoreUnavailable,
    EventType.ALERT_FAILURES_HIGH: AlertFailuresHigh,
    EventType.ALERT_ENDPOINT_DISABLED: AlertEndpointDisabled,
    EventType.ALERT_NO_WORKER: AlertNoWorker,
    EventType.WATCH_LATE: WatchLate,
}


def event_schema(event_type: EventType) -> dict[str, Any]:
    """Return the JSON Schema of an event."""
    return {"$schema": _DIALECT, **EVENTS[event_type].model_json_schema()}


def event_routes() -> APIRouter:
    """Return the routes that describe the events in OpenAPI."""
    router = APIRouter(tags=["events"])
    for event_type, model in EVENTS.items():
        router.add_api_route(
            event_type,
            _receiver_for(model),
            methods=["POST"],
            name=event_type,
            summary=event_type,
            description=model.__doc__,
            status_code=204,
            response_description="Accepted. Any 2xx status will do.",
        )
    return router


def _receiver_for(model: type[BaseModel]) -> Any:
    # Never called: FastAPI reads the type of the body from it.
    async def receive(body: Any) -> None: ...

    receive.__annotations__["body"] = model
    return receive
