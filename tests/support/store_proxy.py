"""A proxy in front of a real object store, which refuses what a test says: stores differ in what they take."""

from __future__ import annotations

import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.support.conditions import eventually_sync

_NOT_FORWARDED = frozenset({"connection", "content-length", "transfer-encoding", "keep-alive", "content-encoding"})


@dataclass(frozen=True)
class Refusal:
    """An error as S3 answers it."""

    status: int
    code: str

    def response(self) -> Response:
        """The answer."""
        body = f"<?xml version='1.0'?><Error><Code>{self.code}</Code><Message>refused</Message></Error>"
        return Response(body, self.status, media_type="application/xml")


@dataclass(frozen=True)
class StoreRequest:
    """A request to the store."""

    method: str
    path: str
    query: str
    headers: dict[str, str]


Rule = Callable[[StoreRequest], Refusal | None]


def takes_everything(_: StoreRequest) -> None:
    """The rule of a store that refuses nothing."""


def refuses_writes(request: StoreRequest) -> Refusal | None:
    """The rule of a store whose policy allows reading only."""
    writes = request.method in ("PUT", "POST")
    return Refusal(403, "AccessDenied") if writes else None


@dataclass
class StoreProxy:
    """The proxy while it runs.

    Attributes:
        rule: Decides about each request. May be replaced at any time.
        requests: Every request, with the status that it was answered with.
    """

    url: str
    rule: Rule = takes_everything
    requests: list[tuple[StoreRequest, int]] = field(default_factory=list)


@contextmanager
def store_proxy(upstream: str) -> Iterator[StoreProxy]:
    """Forward to the store at an address, for as long as the block lasts."""
    listening = socket.create_server(("127.0.0.1", 0))
    proxy = StoreProxy(f"http://127.0.0.1:{listening.getsockname()[1]}")

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with httpx.AsyncClient(trust_env=False, timeout=60) as client:
            app.state.client = client
            yield

    async def forward(request: Request) -> Response:
        asked = StoreRequest(request.method, request.url.path, request.url.query, dict(request.headers))
        refusal = proxy.rule(asked)
        body = await request.body()
        response = refusal.response() if refusal else await _forwarded(upstream, request, body)
        proxy.requests.append((asked, response.status_code))
        return response

    methods = ["GET", "HEAD", "PUT", "POST", "DELETE"]
    app = Starlette(routes=[Route("/{path:path}", forward, methods=methods)], lifespan=lifespan)
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", loop="asyncio", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
    thread.start()
    eventually_sync(lambda: server.started, "the proxy of the store")
    try:
        yield proxy
    finally:
        server.should_exit = True
        thread.join(10)


async def _forwarded(upstream: str, request: Request, body: bytes) -> Response:
    # The Host stays, since it is signed.
    headers = [(name, value) for name, value in request.headers.raw if name.lower() != b"connection"]
    target = request.scope["raw_path"].decode() + (f"?{request.url.query}" if request.url.query else "")
    client: httpx.AsyncClient = request.app.state.client
    answer = await client.request(request.method, upstream + target, headers=headers, content=body)
    kept = {name: value for name, value in answer.headers.items() if name.lower() not in _NOT_FORWARDED}
    response = Response(answer.content, answer.status_code, headers=kept)
    if request.method == "HEAD":
        response.headers["content-length"] = answer.headers.get("content-length", "0")
    return response
