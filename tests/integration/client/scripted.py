"""An API and a store in one httpx2 transport, for answers that real ones give too rarely."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx2

from autos_client import AsyncAutos, Autos

API = "https://autos.test"
STORE = "https://store.test"
NUMBER = "1011745-77.2025.8.11.0041"
KEY = "autos_k1_very-secret-key"

Handler = Callable[[httpx2.Request], httpx2.Response]


@dataclass
class Script:
    """The answers of each route, in turn; the last one repeats. An unknown route fails the test."""

    answers: dict[str, list[Handler]] = field(default_factory=dict)
    requests: list[httpx2.Request] = field(default_factory=list)

    def on(self, route: str, *handlers: Handler) -> None:
        """Plan the answers of a route, such as ``GET /processes``."""
        self.answers[route] = list(handlers)

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        """Answer a request, as the transport's handler."""
        self.requests.append(request)
        planned = self.answers[f"{request.method} {request.url.path}"]
        return (planned.pop(0) if len(planned) > 1 else planned[0])(request)

    def requests_to(self, route: str) -> list[httpx2.Request]:
        """Return the requests to a route."""
        return [each for each in self.requests if f"{each.method} {each.url.path}" == route]

    def client(self, **settings: Any) -> Autos:
        """Return a blocking client of this API."""
        return Autos(API, KEY, transport=httpx2.MockTransport(self), **settings)

    @asynccontextmanager
    async def async_client(self) -> AsyncIterator[AsyncAutos]:
        """Open an asyncio client of this API."""
        async with AsyncAutos(API, KEY, transport=httpx2.MockTransport(self)) as autos:
            yield autos


def json_answer(body: Any, status: int = 200, **headers: str) -> Handler:
    """Answer with JSON. Underscores in header names become hyphens."""
    written = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda _: httpx2.Response(status, json=body, headers=written)


def problem_answer(status: int, code: str, **headers: str) -> Handler:
    """Answer with a problem."""
    body = {
        "type": f"/problems/{code}",
        "title": "…",
        "status": status,
        "detail": f"It is {code}.",
        "code": code,
        "request_id": "r-1",
    }
    return json_answer(body, status, **headers)


def break_connection(_: httpx2.Request) -> httpx2.Response:
    """Break the connection."""
    raise httpx2.ConnectError("refused")


class Pieces(httpx2.SyncByteStream, httpx2.AsyncByteStream):
    """A body that arrives in pieces. An exception among them is raised there."""

    def __init__(self, pieces: Sequence[bytes | Exception]) -> None:
        self._pieces = pieces

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._pieces:
            if isinstance(piece, Exception):
                raise piece
            yield piece

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self:
            yield piece


def event_stream(*pieces: str | Exception) -> Handler:
    """Answer with a stream of events."""
    body = Pieces([piece.encode() if isinstance(piece, str) else piece for piece in pieces])
    return lambda _: httpx2.Response(200, stream=body, headers={"content-type": "text/event-stream"})


def byte_stream(*pieces: bytes | Exception) -> Handler:
    """Answer with bytes, as a store does."""
    return lambda _: httpx2.Response(200, stream=Pieces(pieces))


def status_head(
    status: str = "completed", available: int = 0, total: int | None = None, **more: Any
) -> dict[str, Any]:
    """Return the fields that all bodies of a process have."""
    total = available if total is None else total
    return {
        "process_number": NUMBER,
        "court": "TJMT",
        "status": status,
        "phase": "downloading" if status == "processing" else None,
        "total_documents": total,
        "available_documents": available,
        "pending_documents": total - available,
        "failed_documents": 0,
        "progress_percentage": 0.0,
        "available_bytes": 0,
        "listed_at": "2026-11-23T12:00:00Z",
        "failure": None,
        "run": None,
        **more,
    }


def status_body(*given: Any, **more: Any) -> dict[str, Any]:
    """Return a ``StatusBody``."""
    return {**status_head(*given, **more), "failures_by_code": {}}


def document_body(number: int, content: bytes = b"", **more: Any) -> dict[str, Any]:
    """Return a ``DocumentBody`` of an available document."""
    return {
        "id": f"d{number}",
        "name": f"Document {number}.pdf",
        "type": None,
        "filed_at": None,
        "instance": {"degree": "G1", "name": None, "court_unit": None, "filed_at": None, "current": True},
        "secrecy": "public",
        "status": "available",
        "withheld": False,
        "listed": True,
        "unlisted_at": None,
        "size_bytes": len(content),
        "media_type": "application/pdf",
        "pages": 1,
        "sources": [],
        "sha256": hashlib.sha256(content).hexdigest(),
        "download_url": f"{STORE}/d{number}?X-Amz-Signature=signed-for-d{number}",
        "download_url_expires_at": "2026-11-23T13:00:00Z",
        "failure": None,
        **more,
    }


def failure_body(code: str, scope: str = "document") -> dict[str, Any]:
    """Return a ``FailureBody``."""
    return {
        "code": code,
        "scope": scope,
        "retryable": False,
        "attempts": 5,
        "answer": "HTTP 403",
        "failed_at": "2026-11-23T12:00:00Z",
    }


def page_body(documents: list[dict[str, Any]], cursor: str | None = None) -> dict[str, Any]:
    """Return a ``DocumentsBody``."""
    return {
        "process_number": NUMBER,
        "links_expire_at": None,
        "documents": documents,
        "next_cursor": cursor,
        "documents_next": cursor and f"/processes/{NUMBER}/documents?cursor={cursor}",
    }


def pages_answer(documents: Sequence[dict[str, Any]], size: int) -> Handler:
    """Answer with the page that the request's cursor names, from documents as they are then."""

    def answer(request: httpx2.Request) -> httpx2.Response:
        first = int(request.url.params.get("cursor", "0"))
        after = first + size
        cursor = str(after) if after < len(documents) else None
        return httpx2.Response(200, json=page_body(list(documents[first:after]), cursor))

    return answer
