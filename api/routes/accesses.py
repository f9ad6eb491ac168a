"""Routes: the access trail."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from api.deps import AccessServiceDep, Administrator
from api.middleware.methods import is_head
from api.pagination import link_next
from api.preferences import preferred_media_type
from api.problems.problem import documented_problems
from api.schemas.accesses import AccessesBody, AccessesFormat, AccessesQuery

_JSON, _CSV = "application/json", "text/csv"
_CSV_HEADERS = {"Content-Disposition": 'attachment; filename="accesses.csv"', "Vary": "Accept"}

router = APIRouter(tags=["accesses"], responses=documented_problems())


@router.get(
    "/accesses",
    summary="List accesses",
    response_model=AccessesBody,
    responses={200: {"content": {_CSV: {"schema": {"type": "string"}}}, "description": "A page of the trail."}},
)
async def get_accesses(
    request: Request, client: Administrator, query: Annotated[AccessesQuery, Query()], accesses: AccessServiceDep
) -> Response:
    """Who was handed which document how, when and for what purpose, newest first. Requires the scope `admin`."""
    media_type = preferred_media_type(request.headers.get("accept"), (_JSON, _CSV))
    if query.format is AccessesFormat.CSV or (query.format is None and media_type == _CSV):
        lines = accesses.stream_csv(query)
        # Read before the answer begins, so that an error is a problem and not a broken file.
        first = await anext(lines)
        if is_head(request):
            await lines.aclose()
            return Response(media_type=_CSV, headers=_CSV_HEADERS)

        async def all_lines() -> AsyncGenerator[bytes]:
            async with aclosing(lines):
                yield first
                async for chunk in lines:
                    yield chunk

        return StreamingResponse(all_lines(), media_type=_CSV, headers=_CSV_HEADERS)
    body = await accesses.list_accesses(query)
    response = JSONResponse(body.model_dump(mode="json"), headers={"Vary": "Accept"})
    link_next(response, body.accesses_next)
    return response
