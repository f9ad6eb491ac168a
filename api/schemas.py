"""The bodies of answers, for OpenAPI and for those who check them."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from domain.completeness import Decision, Outcome, Phase, ProcessStatus
from domain.documents import DocumentStatus, Secrecy
from domain.errors import FailureCode, FailureScope


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class FailureBody(_Body):
    """Why something failed."""

    code: FailureCode
    scope: FailureScope
    retryable: bool = Field(description="Whether a later request may succeed.")
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


class DocumentBody(_Body):
    """One document."""

    id: str
    name: str | None
    type: str | None
    filed_at: datetime | None
    instance: InstanceBody
    secrecy: Secrecy
    status: DocumentStatus
    size_bytes: int | None
    media_type: str | None
    pages: int | None
    sources: list[SourceBody]
    sha256: str | None = Field(description="Lower-case hexadecimal digest of the bytes behind the link.")
    download_url: str | None = Field(description="Signed at this moment; ask again for a fresh one.")
    download_url_expires_at: datetime | None
    failure: FailureBody | None


class _ProcessHead(_Body):
    process_number: str
    court: str
    status: ProcessStatus
    phase: Phase | None = Field(description="What the open run is doing.")
    total_documents: int
    available_documents: int
    pending_documents: int
    failed_documents: int
    progress_percentage: float
    available_bytes: int
    listed_at: datetime | None
    failure: FailureBody | None = Field(description="Why the process itself failed.")
    run: RunBody | None = Field(description="The latest run.")


class ProcessBody(_ProcessHead):
    """A process with the first page of its documents."""

    decision: Decision | None = Field(description="What a request for a download led to.")
    links_expire_at: datetime | None
    documents: list[DocumentBody]
    documents_next: str | None = Field(description="Where the next page of documents is.")


class StatusBody(_ProcessHead):
    """A process without its documents."""

    failures_by_code: dict[FailureCode, int]


class DocumentsBody(_Body):
    """A page of documents."""

    process_number: str
    links_expire_at: datetime | None
    documents: list[DocumentBody]
    next_cursor: str | None
    documents_next: str | None


class CredentialsBody(_Body):
    """What was brought for the court: a token, a refresh token, or both."""

    token: SecretStr | None = Field(None, description="The access token, with or without `Bearer` before it.")
    refresh_token: SecretStr | None = Field(None, description="With it, the token is renewed without help.")


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
