"""Documents: bodies of answers and queries."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from api.schemas.base import Body, UtcTime
from domain.documents import DocumentStatus
from domain.errors import FailureCode, FailureScope
from domain.secrecy import Secrecy


class DocumentsQuery(Body):
    """The query of a page of documents."""

    status: DocumentStatus | None = Field(None, description="Only documents with this status.")
    cursor: str | None = Field(
        None,
        description="The `next_cursor` of the previous page.",
        json_schema_extra={"x-format": "position-cursor"},
    )
    limit: int = Field(100, ge=1, le=200, description="Documents per page.")


class Disposition(StrEnum):
    """What a browser does with a document."""

    ATTACHMENT = "attachment"
    INLINE = "inline"


class ContentQuery(Body):
    """The query of a document's content."""

    version: int | None = Field(
        None, ge=1, le=2**31 - 1, description="Number of an earlier version. The current version if omitted."
    )
    disposition: Disposition = Field(
        Disposition.ATTACHMENT,
        description="What a browser does with the document: save it, or with `inline` show it. Only a PDF is "
        "shown, and only if the store has another origin than this API; everything else is saved.",
    )


class FailureBody(Body):
    """Why something failed."""

    code: FailureCode
    scope: FailureScope
    retryable: bool = Field(
        description="Whether the next request tries it again. If false, only `retry`, `max_age=0` and "
        "`document_ids` do."
    )
    attempts: int
    answer: str = Field(description="The court's last answer.")
    failed_at: UtcTime


class InstanceBody(Body):
    """One run of the case through a court degree."""

    degree: str | None
    name: str | None
    court_unit: str | None
    filed_at: UtcTime | None
    current: bool


class SourceBody(Body):
    """One of the places at the court that hold the same document."""

    id: str = Field(description="The document's UUID in this source.")
    source: int | None = Field(description="Number of the system that feeds it into the court's data lake.")


class VersionBody(Body):
    """An earlier content of a document, which the court has replaced under the same id."""

    version: int
    name: str | None
    filed_at: UtcTime | None
    size_bytes: int
    media_type: str
    sha256: str = Field(description="SHA-256 of the content behind the link, in lower-case hexadecimal.")
    stored_at: UtcTime
    replaced_at: UtcTime = Field(description="When the court listed another content.")
    download_url: str | None = Field(description="Signed for this answer. Request it again for a fresh link.")
    download_url_expires_at: UtcTime | None


class DocumentBody(Body):
    """One document."""

    id: str
    name: str | None
    type: str | None
    filed_at: UtcTime | None
    instance: InstanceBody
    secrecy: Secrecy = Field(
        description="The strictest level that the court states for the process, the instance, the document and "
        "each of its sources. `unknown` if it states none; `unrecognized` if it states a level that this service "
        "does not know, which counts as the strictest."
    )
    withheld: bool = Field(
        description="The document is above public secrecy or no longer shown by the court, and the key lacks the "
        "scope `sealed`: the fields that describe the document are null."
    )
    listed: bool = Field(description="Whether the court still shows the document.")
    unlisted_at: UtcTime | None = Field(
        description="Since when the court no longer shows the document or its whole process."
    )
    status: DocumentStatus
    size_bytes: int | None
    media_type: str | None
    pages: int | None
    sources: list[SourceBody]
    sha256: str | None = Field(description="SHA-256 of the content behind the link, in lower-case hexadecimal.")
    download_url: str | None = Field(description="Signed for this answer. Request it again for a fresh link.")
    download_url_expires_at: UtcTime | None
    failure: FailureBody | None
    version: int | None = Field(
        description="Number of the current content among those that the court has listed under this id, from 1. "
        "Null if withheld."
    )
    versions: list[VersionBody] = Field(description="Stored earlier contents, latest first.")


class DocumentsBody(Body):
    """A page of documents."""

    process_number: str
    links_expire_at: UtcTime | None
    documents: list[DocumentBody]
    next_cursor: str | None
    documents_next: str | None
