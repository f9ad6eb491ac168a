"""Routes: a process's status, once, held until it changes, or as a stream of events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query, Request
from fastapi.sse import EventSourceResponse, ServerSentEvent
from starlette.responses import Response

from api.deps import BroadcasterDep, MetricsDep, Reader
from api.middleware.methods import is_head
from api.preferences import Preferred, while_connected
from api.problems.codes import ProblemCode
from api.problems.problem import Problem, documented_problems
from api.schemas.parameters import NoQuery, Number
from api.schemas.processes import StatusBody
from api.status_snapshot import Snapshot, digest_from_event_id, entity_tag, matches_etag
from api.status_stream import MAX_SLOTS_PER_CLIENT, StatusSubscription

_RETRY_AFTER_SECONDS = "2"
# A key is checked only when a stream begins, so this is how long a revoked key can read on. Other clients reconnect
# by themselves and continue where they were.
MAX_STREAM_SECONDS = 15 * 60.0

router = APIRouter(prefix="/processes/{number}", tags=["processes"], responses=documented_problems(404, 410))

_IfNoneMatch = Annotated[
    str | None,
    Header(
        description="ETags of states that the client already has. If the state is one of them, the answer is 304."
    ),
]
_LastEventId = Annotated[
    str | None,
    Header(description="Id of the last event received, as sent by an EventSource. Other values are ignored."),
]
_NOT_MODIFIED: dict[str, Any] = {"description": "The state has one of the ETags in If-None-Match."}
_STREAM_ENDED: dict[str, Any] = {"description": "Last-Event-ID is the last event: no more events will come."}


@router.get(
    "/status",
    summary="Get status",
    response_model=StatusBody,
    responses={304: _NOT_MODIFIED},
)
async def get_status(
    request: Request,
    number: Number,
    client: Reader,
    query: Annotated[NoQuery, Query()],
    preferences: Preferred,
    broadcaster: BroadcasterDep,
    if_none_match: _IfNoneMatch = None,
) -> Response:
    """Counts, phase, bytes, latest run and failures by code. No documents, so it is cheap to poll.

    With `Prefer: wait=N`, the answer is held for at most N seconds: until the state has none of the ETags in
    `If-None-Match`, or, without that header, until the run has ended.
    """
    # The header may be sent in several lines.
    tags = request.headers.getlist("if-none-match")

    def is_reached(snapshot: Snapshot) -> bool:
        return not matches_etag(snapshot.digest, tags) if tags else snapshot.ended

    snapshot: Snapshot | None = None
    if preferences.wait:
        with broadcaster.reserve_slot(client) as is_reserved:
            if is_reserved:
                snapshot = await while_connected(
                    request, broadcaster.wait_until(number, preferences.wait, is_reached)
                )
    if snapshot is None:
        snapshot = await broadcaster.read(number)
    headers = {
        "ETag": entity_tag(snapshot.digest),
        "Cache-Control": "no-cache",
        **preferences.response_headers,
    }
    if not snapshot.ended:
        headers["Retry-After"] = _RETRY_AFTER_SECONDS
    if matches_etag(snapshot.digest, tags):
        return Response(status_code=304, headers=headers)
    return Response(snapshot.body, media_type="application/json", headers=headers)


async def _begin_stream(
    request: Request,
    response: Response,
    number: Number,
    client: Reader,
    broadcaster: BroadcasterDep,
    last_event_id: _LastEventId = None,
) -> AsyncIterator[tuple[StatusSubscription, Snapshot | None] | None]:
    """Yield a subscription and the first snapshot to send, or None if the client has it already.

    For HEAD, yield None: nothing is sent, so nothing is followed.

    A dependency, because the status of the answer must be known before the stream begins.
    """
    if is_head(request):
        snapshot = await broadcaster.read(number)
        if snapshot.ended and snapshot.digest == digest_from_event_id(last_event_id):
            response.status_code = 204
        yield None
        return
    with broadcaster.reserve_slot(client) as is_reserved:
        if not is_reserved:
            raise Problem(
                ProblemCode.RATE_LIMITED,
                f"This client has {MAX_SLOTS_PER_CLIENT} streams and waiting requests open. Close some, or poll "
                "/status.",
                headers={"Retry-After": _RETRY_AFTER_SECONDS},
            )
        async with broadcaster.subscribe(number) as subscription:
            first = await anext(subscription, None)
            if first is not None and first.digest == digest_from_event_id(last_event_id):
                if first.ended:
                    response.status_code = 204
                    subscription.close()
                first = None
            yield subscription, first


@router.get(
    "/events",
    summary="Stream status (SSE)",
    response_class=EventSourceResponse,
    responses={204: _STREAM_ENDED},
)
async def get_events(
    stream: Annotated[tuple[StatusSubscription, Snapshot | None] | None, Depends(_begin_stream)],
    query: Annotated[NoQuery, Query()],
    metrics: MetricsDep,
) -> AsyncIterator[ServerSentEvent]:
    """Server-sent events: `progress` events with the whole status, and a last event `ended`.

    The stream begins with the current state, unless `Last-Event-ID` is that state. An EventSource that reconnects
    after `ended` gets 204 and stops. The service closes a stream after 15 minutes at most; then the client
    reconnects.
    """
    if stream is None:
        return
    subscription, first = stream
    deadline = asyncio.get_running_loop().time() + MAX_STREAM_SECONDS
    if first is not None:
        if first.ended:
            subscription.close()
        yield first.event
    with metrics.track_stream(), suppress(TimeoutError, StopAsyncIteration):
        while True:
            async with asyncio.timeout_at(deadline):
                snapshot = await anext(subscription)
            if snapshot.ended:
                # Closed before the event is sent, so that a slow client does not keep the process polled.
                subscription.close()
            yield snapshot.event
