"""Routes: a process's status, once, held until it changes, or as a stream of events."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query, Request
from fastapi.sse import EventSourceResponse, ServerSentEvent
from starlette.responses import Response

from api.deps import BroadcasterDep, MetricsDep, PresenterDep, Reader
from api.event_streams import RETRY_AFTER_SECONDS, STREAM_ENDED, LastEventId, OpenStream, open_stream, send_events
from api.preferences import Preferred, while_connected
from api.problems.problem import documented_problems
from api.schemas.parameters import NoQuery, Number
from api.schemas.processes import StatusBody
from api.status_snapshot import Snapshot, entity_tag, matches_etag
from api.stream_subjects import FollowedProcess

router = APIRouter(prefix="/processes/{number}", tags=["processes"], responses=documented_problems(404, 410))

_IfNoneMatch = Annotated[
    str | None,
    Header(
        description="ETags of states that the client already has. If the state is one of them, the answer is 304."
    ),
]
_NOT_MODIFIED: dict[str, Any] = {"description": "The state has one of the ETags in If-None-Match."}


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
    presenter: PresenterDep,
    broadcaster: BroadcasterDep,
    if_none_match: _IfNoneMatch = None,
) -> Response:
    """Counts, phase, bytes, latest run and failures by code. No documents, so it is cheap to poll.

    With `Prefer: wait=N`, the answer is held for at most N seconds: until the state has none of the ETags in
    `If-None-Match`, or, without that header, until the run has ended.
    """
    # The header may be sent in several lines.
    tags = request.headers.getlist("if-none-match")
    subject = FollowedProcess(number, presenter)

    def is_reached(snapshot: Snapshot) -> bool:
        return not matches_etag(snapshot.digest, tags) if tags else snapshot.ended

    snapshot: Snapshot | None = None
    if preferences.wait:
        with broadcaster.reserve_slot(client) as is_reserved:
            if is_reserved:
                snapshot = await while_connected(
                    request, broadcaster.wait_until(subject, preferences.wait, is_reached)
                )
    if snapshot is None:
        snapshot = await subject.read()
    headers = {
        "ETag": entity_tag(snapshot.digest),
        "Cache-Control": "no-cache",
        **preferences.response_headers,
    }
    if not snapshot.ended:
        headers["Retry-After"] = RETRY_AFTER_SECONDS
    if matches_etag(snapshot.digest, tags):
        return Response(status_code=304, headers=headers)
    return Response(snapshot.body, media_type="application/json", headers=headers)


async def _begin_stream(
    request: Request,
    response: Response,
    number: Number,
    client: Reader,
    presenter: PresenterDep,
    broadcaster: BroadcasterDep,
    last_event_id: LastEventId = None,
) -> AsyncIterator[OpenStream | None]:
    subject = FollowedProcess(number, presenter)
    async with open_stream(request, response, subject, client, broadcaster, last_event_id) as stream:
        yield stream


@router.get(
    "/events",
    summary="Stream status (SSE)",
    response_class=EventSourceResponse,
    responses={204: STREAM_ENDED},
)
async def get_events(
    stream: Annotated[OpenStream | None, Depends(_begin_stream)],
    query: Annotated[NoQuery, Query()],
    metrics: MetricsDep,
) -> AsyncIterator[ServerSentEvent]:
    """Server-sent events: `progress` events with the whole status, and a last event `ended`.

    The stream begins with the current state, unless `Last-Event-ID` is that state. An EventSource that reconnects
    after `ended` gets 204 and stops. The service closes a stream after 15 minutes at most; then the client
    reconnects.
    """
    async for event in send_events(stream, metrics):
        yield event
