"""Routes: the case of a process, its timeline, and what is new in it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response

from api.deps import CaseServiceDep, Reader
from api.pagination import link_next
from api.problems.problem import documented_problems
from api.schemas.cases import CaseBody, ChangesBody, ChangesQuery, TimelineBody, TimelineQuery
from api.schemas.parameters import NoQuery, Number

router = APIRouter(prefix="/processes/{number}", tags=["processes"], responses=documented_problems(404, 410))


@router.get("/case", summary="Get the case")
async def get_case(
    number: Number, client: Reader, query: Annotated[NoQuery, Query()], cases: CaseServiceDep
) -> CaseBody:
    """What the court's last listing says of the case: its basic data, instances, parties and related processes."""
    return await cases.get(client, number)


@router.get("/timeline", summary="Get the timeline")
async def get_timeline(
    response: Response,
    number: Number,
    client: Reader,
    query: Annotated[TimelineQuery, Query()],
    cases: CaseServiceDep,
) -> TimelineBody:
    """Movements and documents in one order, the latest first; those without a time are last.

    What the key may not read is left out. A sealed filing is often a movement without a document.
    """
    body = await cases.read_timeline(client, number, query)
    link_next(response, body.timeline_next)
    return body


@router.get("/changes", summary="List changes")
async def get_changes(
    response: Response,
    number: Number,
    client: Reader,
    query: Annotated[ChangesQuery, Query()],
    cases: CaseServiceDep,
) -> ChangesBody:
    """What each listing changed, the earliest first. The first listing is the baseline and changes nothing.

    Keep the last `sequence` and send it as `after` next time. What the key may not read is left out.
    """
    body = await cases.list_changes(client, number, query)
    link_next(response, body.changes_next)
    return body
