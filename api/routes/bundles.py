"""Routes: bundles, the documents of a process in one file."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.sse import EventSourceResponse, ServerSentEvent
from starlette.responses import JSONResponse, RedirectResponse, Response

from api.deps import BroadcasterDep, BundleServiceDep, MetricsDep, Reader, RecipientDep, StartingReader
from api.event_streams import RETRY_AFTER_SECONDS, STREAM_ENDED, LastEventId, OpenStream, open_stream, send_events
from api.json_bodies import JsonRoute
from api.problems.codes import ProblemCode
from api.problems.problem import Problem, documented_problems
from api.schemas.bundles import BundleBody, BundleId, NewBundleBody
from api.schemas.callbacks import bundle_end_callback
from api.schemas.parameters import NoQuery, Number
from api.stream_subjects import FollowedBundle
from domain.bundles import BundleState

router = APIRouter(
    prefix="/processes/{number}/bundles",
    tags=["bundles"],
    responses=documented_problems(404, 410),
    route_class=JsonRoute,
)


@router.post(
    "",
    summary="Request a bundle",
    response_model=BundleBody,
    callbacks=bundle_end_callback("post_bundle", "{$request.body#/webhook_url}"),
    responses={
        202: {"model": BundleBody, "description": "It is being built."},
        **documented_problems(404, 409, 413, 415),
    },
)
async def post_bundle(
    number: Number, client: StartingReader, recipient: RecipientDep, bundles: BundleServiceDep, body: NewBundleBody
) -> Response:
    """The stored documents of a process in one file, as far as the key may read them.

    The same documents and options are the same bundle: it is built once, and then answered at once with 200. What
    is not inside is named with the reason, in the answer and in the file.
    """
    bundle = await bundles.request(number, client, body.options, webhook_url=body.webhook_url)
    content = await bundles.body(bundle, recipient)
    location = f"/processes/{number}/bundles/{bundle.id}"
    if bundle.state is BundleState.READY:
        return JSONResponse(content, headers={"Location": location})
    return JSONResponse(content, 202, headers={"Location": location, "Retry-After": RETRY_AFTER_SECONDS})


@router.get("/{bundle_id}", summary="Get a bundle", response_model=BundleBody)
async def get_bundle(
    number: Number,
    bundle_id: BundleId,
    client: Reader,
    recipient: RecipientDep,
    query: Annotated[NoQuery, Query()],
    bundles: BundleServiceDep,
) -> Response:
    """The state and progress of a bundle, with a fresh link once it is ready."""
    bundle = await bundles.get(number, bundle_id, client)
    headers = {"Retry-After": RETRY_AFTER_SECONDS} if bundle.state is BundleState.BUILDING else {}
    return JSONResponse(await bundles.body(bundle, recipient), headers=headers)


async def _begin_stream(
    request: Request,
    response: Response,
    number: Number,
    bundle_id: BundleId,
    client: Reader,
    bundles: BundleServiceDep,
    broadcaster: BroadcasterDep,
    last_event_id: LastEventId = None,
) -> AsyncIterator[OpenStream | None]:
    subject = FollowedBundle(number, bundle_id, client, bundles)
    async with open_stream(request, response, subject, client, broadcaster, last_event_id) as stream:
        yield stream


@router.get(
    "/{bundle_id}/events",
    summary="Stream a bundle's progress (SSE)",
    response_class=EventSourceResponse,
    responses={204: STREAM_ENDED, **documented_problems(429)},
)
async def get_bundle_events(
    stream: Annotated[OpenStream | None, Depends(_begin_stream)],
    query: Annotated[NoQuery, Query()],
    metrics: MetricsDep,
) -> AsyncIterator[ServerSentEvent]:
    """Server-sent events: `progress` events with the whole bundle, and a last event `ended`. None has a link.

    It is a stream as that of a process's status. If the bundle is deleted or erased, or withheld from the key, the
    stream ends without `ended`.
    """
    async for event in send_events(stream, metrics):
        yield event


@router.get(
    "/{bundle_id}/content",
    summary="Download a bundle",
    status_code=307,
    response_class=RedirectResponse,
    responses=documented_problems(404, 409),
)
async def get_bundle_content(
    number: Number,
    bundle_id: BundleId,
    client: Reader,
    recipient: RecipientDep,
    query: Annotated[NoQuery, Query()],
    bundles: BundleServiceDep,
) -> Response:
    """Redirect to a fresh link. This URL can be stored for as long as the bundle is kept; links expire."""
    bundle = await bundles.get(number, bundle_id, client)
    link = await bundles.issue_link(bundle, recipient)
    if link is None:
        raise Problem(
            ProblemCode.BUNDLE_NOT_READY,
            "The bundle is being built. Wait until its state is ready."
            if bundle.state is BundleState.BUILDING
            else "The bundle could not be built: its failure says why. Request it again.",
            bundle_state=bundle.state.value,
        )
    return RedirectResponse(link.url, 307, headers={"Referrer-Policy": "no-referrer"})
