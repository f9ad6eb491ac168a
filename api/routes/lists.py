"""Routes: the lists over all processes."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response

from api.deps import ListServiceDep, Reader
from api.pagination import link_next
from api.problems.problem import documented_problems
from api.schemas.lists import FailuresBody, FailuresQuery, ProcessesBody, ProcessesQuery

router = APIRouter(tags=["lists"], responses=documented_problems())


@router.get("/processes", summary="List processes")
async def get_processes(
    response: Response, client: Reader, query: Annotated[ProcessesQuery, Query()], lists: ListServiceDep
) -> ProcessesBody:
    """All processes with their counts, newest first.

    The status is derived from the catalog and, for runs without a recorded end, from Temporal. A page of one status
    is taken from the next 2,000 processes: it may be short or empty while there is still a `next_cursor`.
    """
    body = await lists.list_processes(query)
    link_next(response, body.processes_next)
    return body


@router.get("/failures", summary="List failures")
async def get_failures(
    response: Response, client: Reader, query: Annotated[FailuresQuery, Query()], lists: ListServiceDep
) -> FailuresBody:
    """Failed documents and failed processes, newest first. A retry removes them from the list."""
    body = await lists.list_failures(client, query)
    link_next(response, body.failures_next)
    return body
