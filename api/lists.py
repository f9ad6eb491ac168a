"""The lists over all processes: what is there, and what failed."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import JSONResponse, Response

from api.access import Reader
from api.answers import Answers
from api.parameters import (
    decode_failure_cursor,
    decode_process_cursor,
    encode_failure_cursor,
    encode_process_cursor,
)
from api.problems import documented_problems
from api.runs import OpenRun
from api.schemas import FailureBody, ProcessHead
from domain.clients import Client
from domain.completeness import ProcessStatus
from domain.errors import FailureCode
from domain.process_number import ProcessNumber
from domain.processes import Process
from domain.representation import Json, failure_body, moment
from domain.secrecy import is_withheld

if TYPE_CHECKING:
    from adapters.database.overview import KnownFailure, KnownProcess

# A status is derived, so a page of one status is found by looking through processes: so many at a time,
# and no more groups of them for one page, however rare the status is.
_GROUP = 200
_MOST_GROUPS = 10
_ASKED_AT_ONCE = 16
# What the acronym of a court may look like; no other text is asked of the database.
_COURT = re.compile(r"[A-Z0-9.-]{1,16}")


class ProcessesQuery(BaseModel):
    """The query of the list of processes."""

    model_config = ConfigDict(extra="forbid")

    status: ProcessStatus | None = Field(None, description="Only processes with this status.")
    court: str | None = Field(None, description="Only processes of this court, such as TJMT.")
    cursor: str | None = Field(
        None,
        description="As the previous page's next_cursor gave it.",
        json_schema_extra={"format": "processes-cursor"},
    )
    limit: int = Field(100, ge=1, le=200, description="Processes in a page, at most.")


class FailuresQuery(BaseModel):
    """The query of the list of failures."""

    model_config = ConfigDict(extra="forbid")

    code: FailureCode | None = Field(None, description="Only failures with this code.")
    cursor: str | None = Field(
        None,
        description="As the previous page's next_cursor gave it.",
        json_schema_extra={"format": "failures-cursor"},
    )
    limit: int = Field(100, ge=1, le=200, description="Failures in a page, at most.")


class ProcessSummary(ProcessHead):
    """A process without its documents."""

    created_at: datetime = Field(description="Since when it is known here.")


class ProcessesBody(BaseModel):
    """A page of processes."""

    model_config = ConfigDict(extra="forbid")

    processes: list[ProcessSummary]
    next_cursor: str | None
    processes_next: str | None = Field(
        description="Where the next page is; a page of one status may hold few, or none, and still have a next."
    )


class FailedDocumentBody(BaseModel):
    """A document that failed."""

    model_config = ConfigDict(extra="forbid")

    id: str
    name: str | None = Field(description="Null if the document is withheld.")
    type: str | None = Field(description="Null if the document is withheld.")
    filed_at: datetime | None = Field(description="Null if the document is withheld.")


class ListedFailureBody(BaseModel):
    """A document that failed, or a process."""

    model_config = ConfigDict(extra="forbid")

    process_number: str
    court: str
    document: FailedDocumentBody | None = Field(description="Null if the process itself failed.")
    failure: FailureBody


class FailuresBody(BaseModel):
    """A page of failures."""

    model_config = ConfigDict(extra="forbid")

    failures: list[ListedFailureBody]
    next_cursor: str | None
    failures_next: str | None = Field(description="Where the next page is.")


router = APIRouter(tags=["lists"], responses=documented_problems())


@router.get("/processes", summary="Every process, the newest first", response_model=ProcessesBody)
async def get_processes(request: Request, client: Reader, query: Annotated[ProcessesQuery, Query()]) -> Response:
    """Processes with their counts, as the catalog has them; Temporal is asked only for runs without an end.

    The status is derived from both. A page of one status is looked for among the next 2,000 processes: it may be
    short, or empty, while `next_cursor` leads on.
    """
    answers: Answers = request.app.state.answers
    page, last = await _processes(answers, query)
    cursor = encode_process_cursor(last.created_at, last.process.number) if last else None
    return JSONResponse(
        {"processes": page, "next_cursor": cursor, "processes_next": _next("/processes", query, cursor)}
    )


@router.get("/failures", summary="Whatever failed, the newest first", response_model=FailuresBody)
async def get_failures(request: Request, client: Reader, query: Annotated[FailuresQuery, Query()]) -> Response:
    """Documents that failed and processes that failed, over all processes. What is tried again leaves the list."""
    answers: Answers = request.app.state.answers
    found = await answers.catalog.overview.failures(
        after=decode_failure_cursor(query.cursor), limit=query.limit + 1, code=query.code
    )
    page = found[: query.limit]
    cursor = encode_failure_cursor(*page[-1].place) if len(found) > query.limit else None
    return JSONResponse(
        {
            "failures": [_failure(known, client) for known in page],
            "next_cursor": cursor,
            "failures_next": _next("/failures", query, cursor),
        }
    )


async def _processes(answers: Answers, query: ProcessesQuery) -> tuple[list[Json], KnownProcess | None]:
    """A page, and the process behind which the next one begins; none if this is the last."""
    page: list[Json] = []
    after = decode_process_cursor(query.cursor)
    last: KnownProcess | None = None
    if query.court is not None and not _COURT.fullmatch(query.court):
        return page, None
    size = query.limit if query.status is None else _GROUP
    for _ in range(_MOST_GROUPS):
        found = await answers.catalog.overview.processes(after=after, limit=size + 1, court=query.court)
        group, more = found[:size], len(found) > size
        for known, (process, open_run) in zip(group, await _as_they_are(answers, group), strict=True):
            if len(page) == query.limit:
                return page, last
            last, after = known, (known.created_at, known.process.number)
            summary = {**answers.head(process, open_run), "created_at": moment(known.created_at)}
            if query.status is None or summary["status"] == query.status:
                page.append(summary)
        if not more:
            return page, None
        if len(page) == query.limit:
            break
    return page, last


async def _as_they_are(answers: Answers, group: Sequence[KnownProcess]) -> list[tuple[Process, OpenRun | None]]:
    """Each process with its open run. Temporal is asked only where the catalog has not seen the last run end.

    Raises:
        DependencyUnavailable: the database or Temporal does not answer.
    """
    turns = asyncio.Semaphore(_ASKED_AT_ONCE)

    async def asked(process: Process) -> tuple[Process, OpenRun | None]:
        if process.latest_run is None or process.latest_run.outcome is not None:
            return process, None
        async with turns:
            number = ProcessNumber.parse(process.number)
            return await answers.current(number) or (process, None)

    try:
        async with asyncio.TaskGroup() as asking:
            tasks = [asking.create_task(asked(known.process)) for known in group]
    except ExceptionGroup as failed:
        # The others have been called off: they would wait for the same silence.
        raise failed.exceptions[0] from None
    return [task.result() for task in tasks]


def _failure(known: KnownFailure, client: Client) -> Json:
    document = known.document
    shown = document is not None and not is_withheld(document, client.scopes)
    return {
        "process_number": known.process_number,
        "court": known.court,
        "document": {
            "id": document.id,
            "name": document.name if shown else None,
            "type": document.type_name if shown else None,
            "filed_at": moment(document.filed_at) if shown else None,
        }
        if document
        else None,
        "failure": failure_body(known.failure, told=shown or document is None),
    }


def _next(path: str, query: BaseModel, cursor: str | None) -> str | None:
    if cursor is None:
        return None
    kept = query.model_dump(mode="json", exclude_none=True) | {"cursor": cursor}
    return f"{path}?{urlencode(kept)}"
