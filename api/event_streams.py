"""Answers that are streams of server-sent events: `progress` with a whole state, and a last event `ended`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Header
from fastapi.sse import ServerSentEvent

from api.middleware.methods import is_head
from api.problems.codes import ProblemCode
from api.problems.problem import Problem
from api.status_snapshot import Snapshot, digest_from_event_id
from api.status_stream import MAX_SLOTS_PER_CLIENT, StatusBroadcaster, StatusSubscription, Subject
from domain.clients import Client

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from api.services.metrics import Metrics

RETRY_AFTER_SECONDS = "2"
# A key is checked only when a stream begins, so this is how long a revoked key can read on. Other clients reconnect
# by themselves and continue where they were.
MAX_STREAM_SECONDS = 15 * 60.0

LastEventId = Annotated[
    str | None,
    Header(description="Id of the last event received, as sent by an EventSource. Other values are ignored."),
]
STREAM_ENDED: dict[str, Any] = {"description": "Last-Event-ID is the last event: no more events will come."}


@dataclass(frozen=True, slots=True)
class OpenStream:
    """A stream that has begun.

    Attributes:
        first: The first state to send. None if the client has it already.
    """

    subscription: StatusSubscription
    first: Snapshot | None


@asynccontextmanager
async def open_stream(
    request: Request,
    response: Response,
    subject: Subject,
    client: Client,
    broadcaster: StatusBroadcaster,
    last_event_id: str | None,
) -> AsyncIterator[OpenStream | None]:
    """Begin a stream until the block ends. For HEAD, nothing is sent, so nothing is followed: yields None.

    Routes run it as a dependency, because the status of the answer must be known before the stream begins.

    Raises:
        Problem: 429, the client has too many streams. Others as `Subject.read` says.
        DependencyUnavailable: The database or Temporal does not answer.
    """
    if is_head(request):
        snapshot = await subject.read()
        if snapshot.ended and snapshot.digest == digest_from_event_id(last_event_id):
            response.status_code = 204
        yield None
        return
    with broadcaster.reserve_slot(client) as is_reserved:
        if not is_reserved:
            raise Problem(
                ProblemCode.RATE_LIMITED,
                f"This client has {MAX_SLOTS_PER_CLIENT} streams and waiting requests open. Close some, or poll.",
                headers={"Retry-After": RETRY_AFTER_SECONDS},
            )
        async with broadcaster.subscribe(subject) as subscription:
            first = await anext(subscription, None)
            if first is not None and first.digest == digest_from_event_id(last_event_id):
                if first.ended:
                    response.status_code = 204
                    subscription.close()
                first = None
            yield OpenStream(subscription, first)


async def send_events(stream: OpenStream | None, metrics: Metrics) -> AsyncIterator[ServerSentEvent]:
    """Yield the events of a stream until its subject has ended, or its time is over."""
    if stream is None:
        return
    subscription, first = stream.subscription, stream.first
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
                # Closed before the event is sent, so that a slow client does not keep the subject polled.
                subscription.close()
            yield snapshot.event
