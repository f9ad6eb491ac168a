"""The access trail: the query, and the body of the answer."""

from __future__ import annotations

from enum import StrEnum
from typing import Self

from pydantic import Field

from api.schemas.base import Body, DocumentId, Moment, ProcessNumberText, UtcTime
from api.schemas.webhooks import ClientName
from domain.accesses import AccessKind, RecordedAccess


class AccessesFormat(StrEnum):
    """A format of the access trail."""

    JSON = "json"
    CSV = "csv"


class AccessesQuery(Body):
    """The query of the access trail."""

    process: ProcessNumberText | None = Field(None, description="Only accesses to documents of this process.")
    client: ClientName | None = Field(None, description="Only accesses of this client.")
    document_id: DocumentId | None = Field(
        None, description="Only accesses to this document and its former contents. Requires `process`."
    )
    how: AccessKind | None = Field(None, description="Only accesses of this kind.")
    since: Moment | None = Field(None, alias="from", description="Only accesses at this time or later.")
    until: Moment | None = Field(None, alias="to", description="Only accesses before this time.")
    format: AccessesFormat | None = Field(
        None,
        description="`csv` answers with all accesses at once, one line for each document. So does "
        "`Accept: text/csv`.",
    )
    cursor: str | None = Field(
        None,
        description="The `next_cursor` of the previous page.",
        json_schema_extra={"x-format": "accesses-cursor"},
    )
    limit: int = Field(100, ge=1, le=200, description="Accesses per page. CSV has no pages.")


class AccessBody(Body):
    """Documents of one process that were handed to one client at once."""

    at: UtcTime
    client: str
    key_id: str | None = Field(description="The key. Null for an event, without keys, and for the operator's own.")
    how: AccessKind
    process_number: str
    document_ids: list[str] = Field(
        description="The documents. A former content has the id of its document, a slash and its version."
    )
    request_id: str | None = Field(
        description="The `X-Request-Id` of the request. For an event, the one it follows."
    )
    event_id: str | None = Field(description="The webhook event. Null for an answer.")
    purpose: str | None = Field(description="The `X-Autos-Purpose` of the request.")

    @classmethod
    def of(cls, access: RecordedAccess) -> Self:
        """Return the body of an access."""
        return cls(
            at=access.at,
            client=access.client,
            key_id=access.key_id,
            how=access.how,
            process_number=access.process_number,
            document_ids=list(access.document_ids),
            request_id=access.request_id,
            event_id=access.event_id,
            purpose=access.purpose,
        )


class AccessesBody(Body):
    """A page of the access trail, newest first."""

    accesses: list[AccessBody]
    next_cursor: str | None
    accesses_next: str | None = Field(description="URL of the next page.")
