"""A proxy in front of a real object store, which refuses, ignores or damages what a test says."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx2
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from domain.storage import StorageAddress
from tests.support.threaded_server import serving_in_thread

_NOT_FORWARDED = frozenset({"connection", "content-length", "transfer-encoding", "keep-alive", "content-encoding"})


@dataclass(frozen=True)
class Refusal:
    """An error response of S3.

    Attributes:
        more: XML elements besides code and message.
        headers: Headers besides the usual ones.
    """

    status: int
    code: str
    message: str = "refused"
    more: str = ""
    headers: dict[str, str] = field(default_factory=dict)

    def response(self) -> Response:
        """Return the HTTP response."""
        inner = f"<Code>{self.code}</Code><Message>{self.message}</Message>{self.more}"
        body = f"<?xml version='1.0'?><Error>{inner}</Error>"
        return Response(body, self.status, self.headers, media_type="application/xml")


@dataclass(frozen=True)
class StoreRequest:
    """A request to the store."""

    method: str
    path: str
    query: str
    headers: dict[str, str]


Rule = Callable[[StoreRequest], Refusal | None]
# Returns the bytes to store in place of those that were sent. `None` loses them.
Damage = Callable[[StoreRequest, bytes], bytes | None]


def takes_everything(_: StoreRequest) -> None:
    """Accept every request: the rule of a store that refuses nothing."""


def refuses_writes(request: StoreRequest) -> Refusal | None:
    """Refuse writes: the rule of a store whose policy allows reading only."""
    writes = request.method in ("PUT", "POST")
    return Refusal(403, "AccessDenied") if writes else None


@dataclass
class StoreProxy:
    """A running proxy.

    Attributes:
        rule: Decides about each request. May be replaced at any time.
        ignores_checksums: Whether checksums are neither compared nor confirmed, as by a store that knows none.
        damage: Silently changes each body before it is stored. `None` stores bodies as they are.
        clock_offset: How wrong the clock is that answers state. `None` states the store's own.
        requests: Every request, with the status of its response.
    """

    url: str = ""
    rule: Rule = takes_everything
    ignores_checksums: bool = False
    damage: Damage | None = None
    clock_offset: timedelta | None = None
    requests: list[tuple[StoreRequest, int]] = field(default_factory=list)


@contextmanager
def store_proxy(upstream: StorageAddress) -> Iterator[StoreProxy]:
    """Forward to the store at an address, for as long as the block lasts."""
    proxy = StoreProxy()

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with httpx2.AsyncClient(trust_env=False, timeout=60) as client:
            app.state.client = client
            yield

    async def forward(request: Request) -> Response:
        store_request = StoreRequest(request.method, request.url.path, request.url.query, dict(request.headers))
        refusal = proxy.rule(store_request)
        body = await request.body()
        response = refusal.response() if refusal else await _forward(proxy, upstream, request, store_request, body)
        if proxy.clock_offset is not None:
            response.headers["date"] = format_datetime(datetime.now(UTC) + proxy.clock_offset, usegmt=True)
        proxy.requests.append((store_request, response.status_code))
        return response

    methods = ["GET", "HEAD", "PUT", "POST", "DELETE"]
    app = Starlette(routes=[Route("/{path:path}", forward, methods=methods)], lifespan=lifespan)
    # The store's own Date passes through.
    with serving_in_thread(app, timeout_graceful_shutdown=1, date_header=False) as url:
        proxy.url = url
        yield proxy


async def _forward(
    proxy: StoreProxy, upstream: StorageAddress, request: Request, store_request: StoreRequest, body: bytes
) -> Response:
    damaged = proxy.damage(store_request, body) if proxy.damage and store_request.method == "PUT" else body
    if damaged is None:
        return Response(headers={"ETag": '"lost"'})
    target = request.scope["raw_path"].decode() + (f"?{request.url.query}" if request.url.query else "")
    url = f"{upstream.endpoint_url}{target}"
    if damaged == body and not proxy.ignores_checksums:
        # The Host header stays, since it is signed.
        headers = {name: value for name, value in request.headers.items() if name != "connection"}
    else:
        headers = _sign_again(upstream, request, url, damaged)
    return await _send_upstream(request, url, headers, damaged)


def _sign_again(upstream: StorageAddress, request: Request, url: str, body: bytes) -> dict[str, str]:
    """Return new headers for a request whose body has changed after it was signed, without its checksums."""
    kept = {
        name: value
        for name, value in request.headers.items()
        if name == "content-type" or name.startswith("x-amz-meta-")
    }
    changed = AWSRequest(request.method, url, data=body, headers=kept)
    keys = Credentials(upstream.access_key_id or "", upstream.secret_access_key or "")
    S3SigV4Auth(keys, "s3", upstream.region).add_auth(changed)
    return dict(changed.headers.items())


async def _send_upstream(request: Request, url: str, headers: dict[str, str], body: bytes) -> Response:
    client: httpx2.AsyncClient = request.app.state.client
    answer = await client.request(request.method, url, headers=headers, content=body)
    kept = {name: value for name, value in answer.headers.items() if name.lower() not in _NOT_FORWARDED}
    response = Response(answer.content, answer.status_code, headers=kept)
    if request.method == "HEAD":
        response.headers["content-length"] = answer.headers.get("content-length", "0")
    return response
