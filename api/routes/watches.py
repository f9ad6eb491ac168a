"""Routes: watched processes."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from api.deps import AuthenticatorDep, Reader, StartingDownloader, UnchargedDownloader, WatchServiceDep
from api.json_bodies import JsonRoute
from api.middleware.rate_headers import batch_cost
from api.pagination import link_next
from api.problems.problem import documented_problems
from api.schemas.callbacks import watch_callback
from api.schemas.parameters import NoQuery, Number
from api.schemas.watches import (
    NewWatchesBody,
    NewWatchesResultBody,
    WatchBody,
    WatchesBody,
    WatchesQuery,
    WatchWishBody,
)

router = APIRouter(tags=["watches"], route_class=JsonRoute)


@router.put(
    "/processes/{number}/watch",
    summary="Watch a process",
    callbacks=watch_callback("put_watch", "{$request.body#/webhook_url}"),
    responses=documented_problems(410, 413, 415),
)
async def put_watch(
    number: Number,
    client: StartingDownloader,
    query: Annotated[NoQuery, Query()],
    watches: WatchServiceDep,
    body: WatchWishBody | None = None,
) -> WatchBody:
    """Have the court asked for a process at intervals, and be told of what is new. Repeating it changes nothing.

    A process that was not listed within the interval is looked at soon. That listing is what later ones are
    compared with: what it shows is not new.
    """
    return await watches.put(number, client, body or WatchWishBody())


@router.get("/processes/{number}/watch", summary="Get a watch", responses=documented_problems(404, 410))
async def get_watch(
    number: Number, client: Reader, query: Annotated[NoQuery, Query()], watches: WatchServiceDep
) -> WatchBody:
    """How the client's watch of the process goes: when the court was last asked, and when it will be."""
    return await watches.get(number, client)


@router.delete(
    "/processes/{number}/watch",
    summary="Stop watching a process",
    status_code=204,
    response_class=Response,
    responses=documented_problems(),
)
async def delete_watch(
    number: Number, client: StartingDownloader, query: Annotated[NoQuery, Query()], watches: WatchServiceDep
) -> None:
    """Stop watching a process. No effect if the client does not watch it. Its events remain."""
    await watches.remove(number, client)


@router.post(
    "/watches",
    summary="Watch many processes",
    callbacks=watch_callback("post_watches", "{$request.body#/webhook_url}"),
    responses=documented_problems(413, 415),
)
async def post_watches(
    request: Request,
    client: UnchargedDownloader,
    query: Annotated[NoQuery, Query()],
    body: NewWatchesBody,
    authenticator: AuthenticatorDep,
    watches: WatchServiceDep,
) -> NewWatchesResultBody:
    """Watch up to 1,000 processes in the same way. Those that are watched already are changed.

    Repeated numbers count once. Items that are not process numbers are marked in the answer and do not stop the
    others.
    """
    await authenticator.charge(request, client, batch_cost(len(body.process_numbers)))
    return await watches.put_many(client, body)


@router.get("/watches", summary="List watches", responses=documented_problems())
async def get_watches(
    response: Response, client: Reader, query: Annotated[WatchesQuery, Query()], watches: WatchServiceDep
) -> WatchesBody:
    """The client's watches, newest first. With the scope `admin`, those of all clients."""
    body = await watches.list_watches(client, query)
    link_next(response, body.watches_next)
    return body
