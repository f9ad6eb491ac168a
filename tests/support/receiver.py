"""A webhook receiver that verifies events with the reference library and answers as a test plans."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from standardwebhooks import Webhook
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.support.conditions import eventually
from tests.support.threaded_server import serving_in_thread


@dataclass
class ReceivedEvent:
    """One event whose signature was right."""

    path: str
    event_id: str
    event: dict[str, Any]


@dataclass
class Receiver:
    """A running receiver.

    Attributes:
        received: the events that were answered with 204.
        planned_failures: by path, the statuses to answer with before the first 204.
        held: the paths whose events wait for their 204 until a test removes the path.
        rejected: the events that were answered with a planned failure.
        held_failures: the paths whose planned failures are answered with when a test removes the path.
    """

    secret: str
    url: str = ""
    received: list[ReceivedEvent] = field(default_factory=list)
    planned_failures: dict[str, list[int]] = field(default_factory=dict)
    held: set[str] = field(default_factory=set)
    rejected: list[ReceivedEvent] = field(default_factory=list)
    held_failures: set[str] = field(default_factory=set)

    def events_at(self, path: str) -> list[ReceivedEvent]:
        """Return the events that were received at a path."""
        return [event for event in self.received if event.path == path]

    async def wait_for_events(self, path: str, count: int = 1, *, seconds: float = 30.0) -> list[ReceivedEvent]:
        """Wait until a path has received at least so many events, and return all that it has."""

        async def arrived() -> list[ReceivedEvent] | None:
            events = self.events_at(path)
            return events if len(events) >= count else None

        return await eventually(arrived, f"{count} events at {path}", seconds=seconds)

    async def handle(self, request: Request) -> Response:
        """Verify an event, and answer with 204 or the next planned failure."""
        body = await request.body()
        event = Webhook(self.secret).verify(body.decode(), dict(request.headers))
        received = ReceivedEvent(request.url.path, request.headers["webhook-id"], event)
        planned = self.planned_failures.get(received.path)
        if planned:
            self.rejected.append(received)
            while received.path in self.held_failures:  # noqa: ASYNC110 - the test is in another thread.
                await asyncio.sleep(0.05)
            return Response(status_code=planned.pop(0))
        while received.path in self.held:
            if await request.is_disconnected():
                return Response(status_code=503)
            await asyncio.sleep(0.05)
        self.received.append(received)
        return Response(status_code=204)


@contextmanager
def running_receiver(secret: str) -> Iterator[Receiver]:
    """Run a receiver on the loopback for as long as the block lasts."""
    receiver = Receiver(secret)
    app = Starlette(routes=[Route("/{path:path}", receiver.handle, methods=["POST"])])
    with serving_in_thread(app, lifespan="off") as url:
        receiver.url = url
        try:
            yield receiver
        finally:
            # The server waits for its answers.
            receiver.held_failures.clear()
