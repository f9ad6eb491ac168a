"""The lists over all processes: queries and bodies of answers."""

from __future__ import annotations

from pydantic import Field

from api.schemas.base import Body, UtcTime
from api.schemas.documents import FailureBody
from api.schemas.processes import ProcessHead
from domain.completeness import ProcessStatus
from domain.errors import FailureCode


class ProcessesQuery(Body):
    """The query of the list of processes."""

    status: ProcessStatus | None = Field(None, description="Only processes with this status.")
    court: str | None = Field(None, description="Only processes of this court, for example `TJMT`.")
    cursor: str | None = Field(
        None,
        description="The `next_cursor` of the previous page.",
        json_schema_extra={"x-format": "processes-cursor"},
    )
    limit: int = Field(100, ge=1, le=200, description="Maximum number of processes per page.")


class FailuresQuery(Body):
    """The query of the list of failures."""

    code: FailureCode | None = Field(None, description="Only failures with this code.")
    cursor: str | None = Field(
        None,
        description="The `next_cursor` of the previous page.",
        json_schema_extra={"x-format": "failures-cursor"},
    )
    limit: int = Field(100, ge=1, le=200, description="Maximum number of failures per page.")


class ProcessSummary(ProcessHead):
    """A process without its documents."""

    created_at: UtcTime = Field(description="When the process became known to this service.")


class ProcessesBody(Body):
    """A page of processes."""

    processes: list[ProcessSummary]
    next_cursor: str | None
    processes_next: str | None = Field(
        description="URL of the next page. A page of one status may be short or empty and still have a next page."
    )


class FailedDocumentBody(Body):
    """A failed document."""

    id: str
    name: str | None = Field(description="Null if the document is withheld.")
    type: str | None = Field(description="Null if the document is withheld.")
    filed_at: UtcTime | None = Field(description="Null if the document is withheld.")


class ListedFailureBody(Body):
    """A failed document, or a failed process."""

    process_number: str
    court: str
    document: FailedDocumentBody | None = Field(description="Null if the process itself failed.")
    failure: FailureBody


class FailuresBody(Body):
    """A page of failures."""

    failures: list[ListedFailureBody]
    next_cursor: str | None
    failures_next: str | None = Field(description="URL of the next page.")
