"""Routes: retry, pause, resume and cancel."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import JSONResponse, Response

from api.deps import ActionServiceDep, Downloader, StartingDownloader
from api.problems.problem import documented_problems
from api.schemas.parameters import NoQuery, Number
from api.schemas.processes import RetriedBody, StatusBody

router = APIRouter(prefix="/processes/{number}", tags=["processes"], responses=documented_problems(404, 409, 410))


@router.post("/retry", status_code=202, summary="Retry", response_model=RetriedBody)
async def post_retry(
    number: Number, client: StartingDownloader, query: Annotated[NoQuery, Query()], actions: ActionServiceDep
) -> Response:
    """Retry failed documents, in the open run or in a new one.

    A new run also downloads documents that are missing for other reasons. Failures that are usually permanent, such
    as `sealed`, are retried once as well.
    """
    result = await actions.retry(number, client.name)
    return JSONResponse(result.body, 202)


@router.post("/pause", summary="Pause", response_model=StatusBody)
async def post_pause(
    number: Number, client: Downloader, query: Annotated[NoQuery, Query()], actions: ActionServiceDep
) -> Response:
    """Start no further downloads. Downloads in progress are finished."""
    result = await actions.pause(number, client.name)
    return JSONResponse(result.body)


@router.post("/resume", summary="Resume", response_model=StatusBody)
async def post_resume(
    number: Number, client: Downloader, query: Annotated[NoQuery, Query()], actions: ActionServiceDep
) -> Response:
    """Continue a paused run."""
    result = await actions.resume(number, client.name)
    return JSONResponse(result.body)


@router.post(
    "/cancel",
    summary="Cancel",
    response_model=StatusBody,
    responses={202: {"model": StatusBody, "description": "The run is still ending."}},
)
async def post_cancel(
    number: Number, client: Downloader, query: Annotated[NoQuery, Query()], actions: ActionServiceDep
) -> Response:
    """Cancel the run. Stored documents are kept, and subscribers are notified."""
    result = await actions.cancel(number, client.name)
    return JSONResponse(result.body, 202 if result.run_open else 200)
