"""Is it alive, is it ready."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from api.problem_codes import ProblemCode
from api.problems import Problem, only_problems
from api.schemas import ReadyBody
from domain.errors import AutosError

_TIMEOUT_SECONDS = 3.0

router = APIRouter(prefix="/health", tags=["operation"])


@router.get("/live", summary="Is the API process alive")
async def live() -> dict[str, str]:
    """Answers as long as the process can answer at all."""
    return {"status": "ok"}


@router.get("/ready", summary="Can the API do its work", response_model=ReadyBody, responses=only_problems(503))
async def ready(request: Request) -> Response:
    """Asks the database, the object store and Temporal for a sign of life, each within three seconds."""
    checks: dict[str, Callable[[], Awaitable[None]]] = request.app.state.checks
    found = await asyncio.gather(*(_sign_of_life(check) for check in checks.values()))
    parts = dict(zip(checks, found, strict=True))
    if any(state != "ok" for state in found):
        raise Problem(
            ProblemCode.NOT_READY,
            "A part that the service stands on does not answer.",
            headers={"Retry-After": "5"},
            parts=parts,
        )
    return JSONResponse({"status": "ok", "parts": parts})


async def _sign_of_life(check: Callable[[], Awaitable[None]]) -> str:
    try:
        async with asyncio.timeout(_TIMEOUT_SECONDS):
            await check()
    except AutosError as error:
        return str(error)
    except TimeoutError:
        return f"No answer within {_TIMEOUT_SECONDS:.0f} seconds."
    return "ok"
