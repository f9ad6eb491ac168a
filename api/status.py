"""How a process goes: asked for once, held until there is news, or as a stream of events."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query, Request
from fastapi.sse import EventSourceResponse, ServerSentEvent
from starlette.responses import Response

from api.access import Reader
from api.metrics import Metrics
from api.parameters import NoQuery, Number
from api.preferences import Preferred, while_connected
from api.problem_codes import ProblemCode
from api.problems import Problem, documented_problems
from api.schemas import StatusBody
from api.watching import MOST_FOLLOWERS, Snapshot, Watch, Watching

_RETRY_AFTER_SECONDS = "2"
# A key is looked at when a stream begins: one that was revoked reads on for so long at most. Who still may connects
# again by itself, and goes on where it was.
LONGEST_STREAM_SECONDS = 15 * 60.0

_ENTITY_TAG = re.compile(r'(?:W/)?"([^"]*)"')
_EVENT_ID = re.compile(r"[0-9]{1,20}-([0-9a-f]{32})")

router = APIRouter(prefix="/processes/{number}", tags=["processes"], responses=documented_problems(404))

_IfNoneMatch = Annotated[
    str | None,
    Header(description="Tags of the states that the client knows; the same again is answered with 304."),
]
_LastEventId = Annotated[
    str | None,
    Header(description="The id of the last event seen, as an EventSource sends it by itself. Others are ignored."),
]
_NOT_MODIFIED: dict[str, Any] = {"description": "The state has one of the tags in If-None-Match."}
_NO_MORE_EVENTS: dict[str, Any] = {"description": "Last-Event-ID names the end: there is nothing more to come."}


def entity_tag(digest: str) -> str:
    """A weak tag: states that say the same, not the bytes of an answer."""
    return f'W/"{digest}"'


def is_known(digest: str, if_none_match: Sequence[str]) -> bool:
    """Whether ``If-None-Match`` names a state, by weak comparison. What is not a tag is ignored."""
    stated = ",".join(if_none_match)
    return stated.strip() == "*" or digest in _ENTITY_TAG.findall(stated)


def digest_of(event_id: str | None) -> str | None:
    """The state that an event's id names, by whichever instance it was sent; none if the id is not one of ours."""
    found = _EVENT_ID.fullmatch(event_id or "")
    return found[1] if found else None


@router.get(
    "/status",
    summary="How it goes",
    response_model=StatusBody,
    responses={304: _NOT_MODIFIED},
)
async def get_status(
    request: Request,
    number: Number,
    client: Reader,
    query: Annotated[NoQuery, Query()],
    preferences: Preferred,
    if_none_match: _IfNoneMatch = None,
) -> Response:
    """Counts, phase, bytes, the latest run, and failures by code; no documents, so it is cheap to poll.

    With `Prefer: wait=N` the answer is held: until the state is none of those in `If-None-Match`, or, without
    that header, until the run has ended; N seconds at most.
    """
    watching: Watching = request.app.state.watching
    # A header may come in several lines.
    tags = request.headers.getlist("if-none-match")

    def is_news(snapshot: Snapshot) -> bool:
        return not is_known(snapshot.digest, tags) if tags else snapshot.ended

    snapshot: Snapshot | None = None
    if preferences.wait:
        with watching.place_of(client) as there_is_room:
            if there_is_room:
                snapshot = await while_connected(request, watching.until(number, preferences.wait, is_news))
    if snapshot is None:
        snapshot = await watching.now(number)
    headers = {"ETag": entity_tag(snapshot.digest), "Cache-Control": "no-cache", **preferences.applied}
    if not snapshot.ended:
        headers["Retry-After"] = _RETRY_AFTER_SECONDS
    if is_known(snapshot.digest, tags):
        return Response(status_code=304, headers=headers)
    return Response(snapshot.body, media_type="application/json", headers=headers)


async def _present(
    request: Request, response: Response, number: Number, client: Reader, last_event_id: _LastEventId = None
) -> AsyncIterator[tuple[Watch, Snapshot | None]]:
    """A watch and the state to begin with, if the client does not know it; decided before the answer begins."""
    watching: Watching = request.app.state.watching
    with watching.place_of(client) as there_is_room:
        if not there_is_room:
            raise Problem(
                ProblemCode.RATE_LIMITED,
                f"This client follows {MOST_FOLLOWERS} processes at once. End some, or ask for /status.",
                headers={"Retry-After": _RETRY_AFTER_SECONDS},
            )
        async with watching.process(number) as watch:
            present = await anext(watch, None)
            if present is not None and present.digest == digest_of(last_event_id):
                if present.ended:
                    response.status_code = 204
                    watch.leave()
                present = None
            yield watch, present


@router.get(
    "/events",
    summary="How it goes, as it goes",
    response_class=EventSourceResponse,
    responses={204: _NO_MORE_EVENTS},
)
async def get_events(
    request: Request,
    beginning: Annotated[tuple[Watch, Snapshot | None], Depends(_present)],
    query: Annotated[NoQuery, Query()],
) -> AsyncIterator[ServerSentEvent]:
    """A stream of `progress` events, each the whole status, and one last event `ended`.

    It begins with the present state, unless `Last-Event-ID` names it. An EventSource that connects again after
    `ended` gets 204, with which it stops. The service ends a stream after 15 minutes at most, and the client
    connects again.
    """
    watch, present = beginning
    metrics: Metrics = request.app.state.metrics
    deadline = asyncio.get_running_loop().time() + LONGEST_STREAM_SECONDS
    if present is not None:
        if present.ended:
            watch.leave()
        yield present.event
    with metrics.watching(), suppress(TimeoutError, StopAsyncIteration):
        while True:
            async with asyncio.timeout_at(deadline):
                snapshot = await anext(watch)
            if snapshot.ended:
                # Who is slow to take its last event does not have the process read on.
                watch.leave()
            yield snapshot.event
