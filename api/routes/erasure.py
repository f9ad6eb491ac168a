"""Routes: erasure of a process, its receipt, and the legal hold."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response

from api.deps import Administrator, ErasureServiceDep
from api.json_bodies import JsonRoute
from api.problems.problem import documented_problems
from api.schemas.erasure import ErasureBody, ErasureQuery, HoldBody, NewHoldBody
from api.schemas.parameters import NoQuery, Number
from domain.erasure import ErasureState

_RETRY_AFTER_SECONDS = "2"

router = APIRouter(
    prefix="/processes/{number}", tags=["erasure"], responses=documented_problems(404), route_class=JsonRoute
)


@router.delete(
    "",
    summary="Erase a process",
    response_model=ErasureBody,
    responses={
        202: {"model": ErasureBody, "description": "The erasure runs."},
        **documented_problems(404, 409),
    },
)
async def delete_process(
    number: Number,
    client: Administrator,
    query: Annotated[ErasureQuery, Query()],
    erasures: ErasureServiceDep,
    response: Response,
) -> ErasureBody:
    """Erase everything of a process: objects with all versions, rows, deliveries, and executions in Temporal.

    From the first answer on, the process is blocked: every request for it is answered 410 `process_erased`. The
    receipt remains. Repeating the request returns the same receipt. A legal hold is answered 409 `process_held`.
    """
    erasure = await erasures.erase(number, client, query.reason)
    if erasure.state is ErasureState.RUNNING:
        response.status_code = 202
        response.headers["Location"] = f"/processes/{number}/erasure"
        response.headers["Retry-After"] = _RETRY_AFTER_SECONDS
    return ErasureBody.of(erasure)


@router.get("/erasure", summary="Get the receipt of an erasure")
async def get_erasure(
    number: Number, client: Administrator, query: Annotated[NoQuery, Query()], erasures: ErasureServiceDep
) -> ErasureBody:
    """The receipt of the latest erasure of a process: when, by whom, and how much."""
    return ErasureBody.of(await erasures.get(number))


@router.delete("/erasure", summary="Allow an erased process again", responses=documented_problems(404, 409))
async def delete_erasure(
    number: Number, client: Administrator, query: Annotated[NoQuery, Query()], erasures: ErasureServiceDep
) -> ErasureBody:
    """Remove the block of an erased process, so that it can be requested again. The receipt remains."""
    return ErasureBody.of(await erasures.allow_again(number, client))


@router.get("/hold", summary="Get the legal hold", responses=documented_problems(404, 410))
async def get_hold(
    number: Number, client: Administrator, query: Annotated[NoQuery, Query()], erasures: ErasureServiceDep
) -> HoldBody:
    """Whether a legal hold is on the process, since when, by whom and why."""
    return HoldBody.of(number.canonical, await erasures.get_hold(number))


@router.put("/hold", summary="Place a legal hold", responses=documented_problems(404, 409, 410, 413, 415))
async def put_hold(
    number: Number, client: Administrator, erasures: ErasureServiceDep, body: NewHoldBody | None = None
) -> HoldBody:
    """Keep a process from being erased, by request or by retention. Repeating it changes the reason alone."""
    reason = body.reason if body is not None else None
    return HoldBody.of(number.canonical, await erasures.place_hold(number, client, reason))


@router.delete("/hold", summary="Release the legal hold", responses=documented_problems(404, 410))
async def delete_hold(
    number: Number, client: Administrator, query: Annotated[NoQuery, Query()], erasures: ErasureServiceDep
) -> HoldBody:
    """Release the hold. No effect if there is none."""
    await erasures.release_hold(number, client)
    return HoldBody.of(number.canonical, None)
