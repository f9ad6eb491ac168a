"""The bodies of answers, for OpenAPI and for those who check them."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr

from domain.completeness import Decision, Outcome, Phase, ProcessStatus
from domain.documents import DocumentStatus
from domain.errors import FailureCode, FailureScope
from domain.secrecy import Secrecy


def _written(sent: object) -> object:
    if not isinstance(sent, str) or not re.match(r"\d{4}-\d\d-\d\dT", sent, re.ASCII | re.IGNORECASE):
        raise ValueError("a moment is written as in 2026-01-31T12:00:00Z")
    return sent


def _in_utc(sent: datetime) -> datetime:
    try:
        return sent.astimezone(UTC)
    except OverflowError:
        raise ValueError("this moment lies outside of the calendar") from None


LONGEST_AGE_SECONDS = 366 * 24 * 3600


# JSON knows one kind of number: 3 and 3.0 are the same.
_Whole = BeforeValidator(lambda sent: int(sent) if isinstance(sent, float) and sent.is_integer() else sent)
Age = Annotated[int, Field(ge=0, le=LONGEST_AGE_SECONDS), _Whole]
Priority = Annotated[int, Field(ge=1, le=5), _Whole]
# Nobody puts a thousand processes in front of the others.
BatchPriority = Annotated[int, Field(ge=4, le=5), _Whole]
DocumentId = Annotated[str, Field(pattern="^[0-9A-Za-z-]{1,36}$")]
# Written as RFC 3339; a number would be read as seconds.
Moment = Annotated[AwareDatetime, Field(strict=False), BeforeValidator(_written), AfterValidator(_in_utc)]
Token = Annotated[SecretStr, Field(json_schema_extra={"pattern": r"^\s*([Bb]earer\s+)?[!-~]+\s*$"})]
ProcessNumberText = Annotated[str, Field(json_schema_extra={"format": "cnj-process-number"})]
WebhookUrl = Annotated[str, Field(json_schema_extra={"format": "webhook-url"})]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class FailureBody(_Body):
    """Why something failed."""

    code: FailureCode
    scope: FailureScope
    retryable: bool = Field(
        description="Whether the next request tries it again. Otherwise `retry`, `max_age=0` and `document_ids` do."
    )
    attempts: int
    answer: str = Field(description="What the court answered last.")
    failed_at: datetime


class RunBody(_Body):
    """One run of the download."""

    id: str
    client: str
    started_at: datetime
    ended_at: datetime | None
    outcome: Outcome | None
    failure_code: FailureCode | None
    chosen_documents: int | None = Field(description="How many documents were asked for; null if all were.")


class InstanceBody(_Body):
    """One run of the case through a court degree."""

    degree: str | None
    name: str | None
    court_unit: str | None
    filed_at: datetime | None
    current: bool


class SourceBody(_Body):
    """One of the places at the court from which the same document comes."""

    id: str = Field(description="The UUID that the document has there.")
    source: int | None = Field(description="The number of the system that feeds it to the court's data lake.")


class VersionBody(_Body):
    """A content of a document that the court has replaced under the same id."""

    version: int
    name: str | None
    filed_at: datetime | None
    size_bytes: int
    media_type: str
    sha256: str = Field(description="Lower-case hexadecimal digest of the bytes behind the link.")
    stored_at: datetime
    replaced_at: datetime = Field(description="When the court listed another content.")
    download_url: str | None = Field(description="Signed at this moment; ask again for a fresh one.")
    download_url_expires_at: datetime | None


class DocumentBody(_Body):
    """One document."""

    id: str
    name: str | None
    type: str | None
    filed_at: datetime | None
    instance: InstanceBody
    secrecy: Secrecy = Field(
        description="The strictest level that the court states for the process, the instance, the document and "
        "each of its sources. `unknown` if it states none; `unrecognized`, which counts as the strictest, if it "
        "states one that is not known here."
    )
    withheld: bool = Field(
        description="Above public secrecy, or no longer shown by the court, and the key lacks the scope sealed: "
        "nothing is said of what the document is."
    )
    listed: bool = Field(description="Whether the court still shows the document.")
    unlisted_at: datetime | None = Field(
        description="Since when the court no longer shows the document, or its whole process."
    )
    status: DocumentStatus
    size_bytes: int | None
    media_type: str | None
    pages: int | None
    sources: list[SourceBody]
    sha256: str | None = Field(description="Lower-case hexadecimal digest of the bytes behind the link.")
    download_url: str | None = Field(description="Signed at this moment; ask again for a fresh one.")
    download_url_expires_at: datetime | None
    failure: FailureBody | None
    version: int | None = Field(
        description="Counts the contents that the court has listed under this id, from 1. Null if withheld."
    )
    versions: list[VersionBody] = Field(description="The stored contents before the present one, the latest first.")


class ProcessHead(_Body):
    """What every answer says of a process."""

    process_number: str
    court: str
    status: ProcessStatus
    phase: Phase | None = Field(description="What the open run is doing.")
    total_documents: int
    available_documents: int
    pending_documents: int
    failed_documents: int
    no_content_documents: int = Field(
        description="Listed by the court without a file or a text. They are not missing: a process may be complete."
    )
    progress_percentage: float
    available_bytes: int
    listed_at: datetime | None
    failure: FailureBody | None = Field(description="Why the process itself failed.")
    run: RunBody | None = Field(description="The latest run.")


class ProcessBody(ProcessHead):
    """A process with the first page of its documents."""

    decision: Decision | None = Field(description="What a request for a download led to.")
    links_expire_at: datetime | None
    documents: list[DocumentBody]
    documents_next: str | None = Field(description="Where the next page of documents is.")


class StatusBody(ProcessHead):
    """A process without its documents."""

    failures_by_code: dict[FailureCode, int]


class DocumentsBody(_Body):
    """A page of documents."""

    process_number: str
    links_expire_at: datetime | None
    documents: list[DocumentBody]
    next_cursor: str | None
    documents_next: str | None


class OrderBody(BaseModel):
    """What a client sends: nothing that is unknown, nothing of another type."""

    model_config = ConfigDict(extra="forbid", strict=True)


class DownloadBody(OrderBody):
    """What is to be downloaded, and who is to be told."""

    webhook_url: WebhookUrl | None = Field(None, description="Called once when the run ends.")
    max_age: Age | None = Field(
        None, description="How old, in seconds, the court's listing may be; 0 asks the court again."
    )
    document_ids: list[DocumentId] | None = Field(
        None, min_length=1, max_length=200, description="Only these documents, by their ids; all unless given."
    )
    priority: Priority = Field(
        3, description="Of the run that is started: 1 is served first, 5 last. Before 3 is for the scope admin."
    )
    notify: Literal["on_end", "always"] = Field(
        "on_end",
        description="Whether webhook_url is called only when a run ends, or at once if nothing is to be done.",
    )


class RetriedBody(StatusBody):
    """A process whose failed documents are tried again."""

    retried_documents: int = Field(description="How many failed documents are tried again.")


class CredentialsBody(OrderBody):
    """What was brought for the court: a token, a refresh token, or both."""

    model_config = ConfigDict(
        json_schema_extra={
            "anyOf": [
                {"required": [name], "properties": {name: {"type": "string"}}}
                for name in ("token", "refresh_token")
            ]
        }
    )

    token: Token | None = Field(None, description="The access token, with or without `Bearer` before it.")
    refresh_token: Token | None = Field(None, description="With it, the token is renewed without help.")


class CourtFailureBody(_Body):
    """Why the court does not answer."""

    code: FailureCode
    answer: str = Field(description="What it said.")


class TokenBody(_Body):
    """What may be told of the token in use."""

    source: Literal["stored", "file", "environment"] | None = Field(description="None without any token.")
    expires_at: datetime | None = Field(description="When it ends, if it says so.")
    renewable: bool = Field(description="Whether it is renewed without help.")
    rejected: bool = Field(description="Whether the court has refused it.")
    candidate: Literal["pending", "refused"] | None = Field(
        description="Credentials brought meanwhile: to be tried yet, or refused by the court. None without."
    )


class CourtStatusBody(_Body):
    """What the deployment knows of the court."""

    status: Literal["answering", "unavailable"]
    since: datetime | None
    failure: CourtFailureBody | None
    probes: int = Field(description="Single requests sent since then, all in vain.")
    next_probe_at: datetime | None
    credentials: TokenBody


class ReadyBody(_Body):
    """Whether each part answers: ``ok``, or what is wrong."""

    status: str
    parts: dict[str, str]


class InvalidParameter(_Body):
    """One parameter that cannot be used."""

    parameter: str
    detail: str


class ProblemBody(BaseModel):
    """An error (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    request_id: str | None
    errors: list[InvalidParameter] | None = None
    suggestion: str | None = None
