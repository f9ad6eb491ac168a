"""Processes and their runs: bodies of answers."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from api.schemas.base import Body, UtcTime
from api.schemas.documents import DocumentBody, FailureBody
from domain.completeness import Decision, Outcome, Phase, ProcessStatus
from domain.errors import FailureCode


class RunBody(Body):
    """One run of the download."""

    id: str
    client: str
    started_at: UtcTime
    ended_at: UtcTime | None
    outcome: Outcome | None
    failure_code: FailureCode | None
    chosen_documents: int | None = Field(
        description="Number of requested documents. Null means all; 0, that they were only listed."
    )


class ProcessHead(Body):
    """The fields that every body of a process has."""

    process_number: str
    court: str
    status: ProcessStatus
    phase: Phase | None = Field(description="What the open run is doing.")
    total_documents: int
    available_documents: int
    pending_documents: int
    failed_documents: int
    no_content_documents: int = Field(
        description="Documents that the court lists without a file or a text. They do not count as missing: a "
        "process may be complete."
    )
    progress_percentage: float
    available_bytes: int
    listed_at: UtcTime | None
    failure: FailureBody | None = Field(description="Why the process itself failed.")
    run: RunBody | None = Field(description="The latest run.")


class WarningBody(Body):
    """What keeps a run from going on, although it is kept."""

    code: Literal["no_worker"]
    detail: str


Warnings = Annotated[
    list[WarningBody],
    Field(description="What keeps the open run from going on. Empty if nothing does, or if no run is open."),
]


class ProcessBody(ProcessHead):
    """A process with the first page of its documents."""

    warnings: Warnings

    decision: Decision | None = Field(description="What the request for a download led to.")
    links_expire_at: UtcTime | None
    documents: list[DocumentBody]
    documents_next: str | None = Field(description="URL of the next page of documents.")


class StatusBody(ProcessHead):
    """A process without its documents."""

    warnings: Warnings
    failures_by_code: dict[FailureCode, int]


class RetriedBody(StatusBody):
    """A process whose failed documents are being retried."""

    retried_documents: int = Field(description="Number of failed documents that are being retried.")
