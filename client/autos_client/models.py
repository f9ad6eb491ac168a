"""The API's answers as pydantic models.

Enumerations (a status, a failure's code) are plain strings and unknown fields are ignored, so that a newer server
does not break an older client. Links are secrets while they are valid: no model shows them in its ``repr``.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class _Model(BaseModel):
    # A validation error that quotes its input would quote links.
    model_config = ConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True)


class Failure(_Model):
    """Why a document or a process failed.

    Attributes:
        code: One of the service's failure codes, such as ``sealed`` or ``source_unavailable``.
        scope: ``document``, ``process`` or ``court``.
        retryable: Whether the next request tries it again. Otherwise a retry, ``max_age=0`` or its id does.
        answer: What the court answered last.
    """

    code: str
    scope: str
    retryable: bool
    attempts: int
    answer: str
    failed_at: datetime


class Run(_Model):
    """One run of the download.

    Attributes:
        outcome: ``completed``, ``partial``, ``failed`` or ``cancelled``. ``None`` while it is open.
        chosen_documents: How many documents were requested. ``None`` means all, 0 that they were only listed.
    """

    id: str
    client: str
    started_at: datetime
    ended_at: datetime | None = None
    outcome: str | None = None
    failure_code: str | None = None
    chosen_documents: int | None = None


class RunWarning(_Model):
    """What keeps an open run from going on, although it is kept.

    Attributes:
        code: Such as ``no_worker``.
        detail: The same in words.
    """

    code: str
    detail: str


class Instance(_Model):
    """One passage of the process through a court degree."""

    degree: str | None = None
    name: str | None = None
    court_unit: str | None = None
    filed_at: datetime | None = None
    current: bool = False


class Source(_Model):
    """One of the places at the court that hold the same document."""

    id: str
    source: int | None = None


class Version(_Model):
    """A former content of a document, which the court has replaced under the same id."""

    version: int
    name: str | None = None
    filed_at: datetime | None = None
    size_bytes: int
    media_type: str
    sha256: str
    stored_at: datetime
    replaced_at: datetime
    download_url: str | None = Field(None, repr=False)
    download_url_expires_at: datetime | None = None


class Document(_Model):
    """One document.

    Attributes:
        status: ``pending``, ``available`` or ``failed``.
        secrecy: The strictest level of its process, its instance, itself and its sources.
        withheld: Above public secrecy or not listed, and the key lacks the scope ``sealed``. Details are hidden.
        listed: Whether the court still lists it.
        unlisted_at: Since when the court does not list it.
        sha256: Lower-case hexadecimal digest of its bytes.
        download_url: Works for anyone until ``download_url_expires_at``. Get the document again for a fresh one.
        version: Counts the contents that the court has listed under this id, from 1. ``None`` if withheld.
        versions: The stored contents before the current one, the latest first.
    """

    id: str
    name: str | None = None
    type: str | None = None
    filed_at: datetime | None = None
    instance: Instance = Field(default_factory=Instance)
    secrecy: str = "unknown"
    status: str
    withheld: bool = False
    listed: bool = True
    unlisted_at: datetime | None = None
    size_bytes: int | None = None
    media_type: str | None = None
    pages: int | None = None
    sources: tuple[Source, ...] = ()
    sha256: str | None = None
    download_url: str | None = Field(None, repr=False)
    download_url_expires_at: datetime | None = None
    failure: Failure | None = None
    version: int | None = None
    versions: tuple[Version, ...] = ()


class _Head(_Model):
    process_number: str
    court: str
    status: str
    phase: str | None = None
    total_documents: int
    available_documents: int
    pending_documents: int
    failed_documents: int
    no_content_documents: int = 0
    progress_percentage: float
    available_bytes: int
    listed_at: datetime | None = None
    failure: Failure | None = None
    run: Run | None = None

    @property
    def ended(self) -> bool:
        """Whether no run is open."""
        return self.status != "processing"


class Process(_Head):
    """A process with the first page of its documents.

    Attributes:
        status: ``processing``, ``completed``, ``partial``, ``failed``, ``empty`` or ``pending``.
        decision: What a request led to: ``complete``, ``settled``, ``active`` or ``started``.
    """

    warnings: tuple[RunWarning, ...] = ()
    decision: str | None = None
    links_expire_at: datetime | None = None
    documents: tuple[Document, ...] = ()


class Status(_Head):
    """The status of a process, without its documents.

    Attributes:
        retried_documents: How many documents a retry tries again. ``None`` in other answers.
    """

    warnings: tuple[RunWarning, ...] = ()
    failures_by_code: dict[str, int] = Field(default_factory=dict)
    retried_documents: int | None = None


class ProcessSummary(_Head):
    """A process in the list of processes."""

    created_at: datetime | None = None


class FailedDocument(_Model):
    """A document in the list of failures."""

    id: str
    name: str | None = None
    type: str | None = None
    filed_at: datetime | None = None


class FailureEntry(_Model):
    """One entry of the list of failures. Without a document, the process itself failed."""

    process_number: str
    court: str
    document: FailedDocument | None = None
    failure: Failure


class Attempt(_Model):
    """One attempt at a delivery.

    Attributes:
        excerpt: The beginning of the receiver's answer.
        error: Why there was no answer.
    """

    number: int
    sent_at: datetime
    status_code: int | None = None
    latency_ms: int | None = None
    excerpt: str | None = None
    error: str | None = None


class Delivery(_Model):
    """One webhook event for one subscriber; ``status`` is ``pending``, ``delivered`` or ``failed``."""

    id: str
    event_type: str
    process_number: str | None = None
    run_id: str | None = None
    client: str
    url: str
    status: str
    created_at: datetime
    delivered_at: datetime | None = None
    given_up_at: datetime | None = None
    next_attempt_at: datetime | None = None
    attempts: tuple[Attempt, ...] = ()


class Redelivered(_Model):
    """The result of redelivering what failed."""

    redelivered: int
    more: bool


class Endpoint(_Model):
    """A failing endpoint. ``switched_off_at`` is set once it is disabled."""

    id: str
    client: str
    url: str
    failing_since: datetime
    switched_off_at: datetime | None = None


class EndpointList(_Model):
    """Failing endpoints, those that have failed longest first."""

    endpoints: tuple[Endpoint, ...]


class CourtFailure(_Model):
    """Why the court does not answer."""

    code: str
    answer: str


class Token(_Model):
    """The token in use, without the token itself. ``source`` is ``None`` if there is none.

    ``candidate`` is the state of newer credentials: ``pending`` or ``refused``.
    """

    source: str | None = None
    expires_at: datetime | None = None
    renewable: bool
    rejected: bool
    candidate: str | None = None


class CourtStatus(_Model):
    """The court monitor's state: ``answering`` or ``unavailable``."""

    status: str
    since: datetime | None = None
    failure: CourtFailure | None = None
    probes: int = 0
    next_probe_at: datetime | None = None
    credentials: Token


class _Page(_Model):
    next_cursor: str | None = None


class DocumentPage(_Page):
    """A page of documents."""

    items: tuple[Document, ...] = Field(validation_alias="documents")


class ProcessPage(_Page):
    """A page of processes."""

    items: tuple[ProcessSummary, ...] = Field(validation_alias="processes")


class FailurePage(_Page):
    """A page of failures."""

    items: tuple[FailureEntry, ...] = Field(validation_alias="failures")


class DeliveryPage(_Page):
    """A page of deliveries."""

    items: tuple[Delivery, ...] = Field(validation_alias="deliveries")


class ProcessEnd(_Model):
    """The content of an event about the end of a run: how it ended.

    Attributes:
        total_documents: At the run's end, like the other counts. ``None`` if the run was terminated.
        documents: Up to 100, with links signed for this attempt. ``None`` if there are more: get the pages at
            ``documents_url``.
    """

    process_number: str
    court: str
    outcome: str
    run: Run
    total_documents: int | None = None
    available_documents: int | None = None
    pending_documents: int | None = None
    failed_documents: int | None = None
    no_content_documents: int | None = None
    progress_percentage: float | None = None
    available_bytes: int | None = None
    status_url: str
    documents_url: str
    documents: tuple[Document, ...] | None = None


class WebhookEvent(_Model):
    """A verified event.

    Attributes:
        id: An idempotency key, the same at every attempt: drop events whose id you have seen.
        type: Such as ``process.completed``.
        data: The event's content as it was sent.
        process: The same as a model. ``None`` unless the event is about the end of a run.
    """

    id: str
    type: str
    timestamp: datetime
    data: dict[str, Any] = Field(repr=False)
    process: ProcessEnd | None = None
