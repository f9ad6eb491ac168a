"""Is it alive, is it ready."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from api.problem_codes import ProblemCode
from api.problems import Problem, only_problems
from api.schemas import ReadyBody
from domain.errors import AutosError

if TYPE_CHECKING:
    from adapters.storage import ObjectStore

_TIMEOUT_SECONDS = 3.0
# A bucket with versions keeps one for each write, so a store that took one is not asked to take another soon.
_WRITE_AGAIN_SECONDS = 30.0

router = APIRouter(prefix="/health", tags=["operation"])


@router.get("/live", summary="Is the API process alive")
async def live() -> dict[str, str]:
    """Answers as long as the process can answer at all."""
    return {"status": "ok"}


@router.get("/ready", summary="Can the API do its work", response_model=ReadyBody, responses=only_problems(503))
async def ready(request: Request) -> Response:
    """Ask the database, the object store and Temporal for a sign of life, each within three seconds.

    The store also has to take a small object: one that can only be read is not ready.
    """
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


class StoreReadiness:
    """Whether the bucket is there and takes writes."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._written_at: float | None = None

    async def check(self) -> None:
        """Ask the bucket for a sign of life, and every half minute for a write.

        Raises:
            DependencyUnavailable: The store does not answer, or the bucket is not there for us.
            StorageFailure: It takes no writes.
        """
        await self._store.check()
        if self._written_at is None or time.monotonic() - self._written_at > _WRITE_AGAIN_SECONDS:
            await self._store.check_write()
            self._written_at = time.monotonic()


async def _sign_of_life(check: Callable[[], Awaitable[None]]) -> str:
    try:
        async with asyncio.timeout(_TIMEOUT_SECONDS):
            await check()
    except AutosError as error:
        return str(error)
    except TimeoutError:
        return f"No answer within {_TIMEOUT_SECONDS:.0f} seconds."
    return "ok"
