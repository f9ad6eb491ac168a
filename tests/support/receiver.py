"""A subscriber: receives webhooks, verifies them with the reference library, and answers as it is told."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from standardwebhooks import Webhook
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.support.ports import bound_socket


@dataclass
class Received:
    """One verified event."""

    path: str
    event_id: str
    event: dict[str, Any]


@dataclass
class Receiver:
    """The events that came, and the statuses still to be answered per path before 200."""

    url: str
    secret: str
    received: list[Received] = field(default_factory=list)
    failures: dict[str, list[int]] = field(default_factory=dict)
    refused: list[Received] = field(default_factory=list)

    def at(self, path: str) -> list[Received]:
        """The events that were taken at a path."""
        return [event for event in self.received if event.path == path]

    async def answer(self, request: Request) -> Response:
        """Take an event."""
        body = await request.body()
        event = Webhook(self.secret).verify(body.decode(), dict(request.headers))
        taken = Received(request.url.path, request.headers["webhook-id"], event)
        planned = self.failures.get(taken.path)
        if planned:
            self.refused.append(taken)
            return Response(status_code=planned.pop(0))
        self.received.append(taken)
        return Response(status_code=204)


@contextmanager
def receiving(secret: str) -> Iterator[Receiver]:
    """A subscriber on the loopback for as long as the block lasts."""
    with bound_socket() as listener:
        receiver = Receiver(f"http://127.0.0.1:{listener.getsockname()[1]}", secret)
        app = Starlette(routes=[Route("/{path:path}", receiver.answer, methods=["POST"])])
        server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield receiver
        finally:
            server.should_exit = True
            thread.join()
