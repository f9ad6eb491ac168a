"""Request ids, in answers and in log lines."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import uuid4

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from domain.request_trace import RequestTrace, read_request_id, read_traceparent
from domain.spans import SpanContext

_STATE_KEY = "request_id"


def read_trace(headers: Iterable[tuple[bytes, bytes]]) -> RequestTrace:
    """Return the ids that a request has in its headers, with a new request id if it has no usable one.

    A header that is repeated counts as unusable.
    """
    headers = list(headers)
    request_id, parent = _only(headers, b"x-request-id"), read_parent(headers)
    return RequestTrace(
        (read_request_id(request_id) if request_id is not None else None) or uuid4().hex,
        parent.trace_id if parent is not None else None,
    )


def read_parent(headers: Iterable[tuple[bytes, bytes]]) -> SpanContext | None:
    """Return the caller's span, from the request's ``traceparent``. None without a usable one."""
    traceparent = _only(headers, b"traceparent")
    return None if traceparent is None else read_traceparent(traceparent)


def _only(headers: Iterable[tuple[bytes, bytes]], wanted: bytes) -> str | None:
    values = [value for name, value in headers if name == wanted]
    return values[0].decode("latin-1") if len(values) == 1 else None


def request_id_of(scope: Scope) -> str | None:
    """Return the id that ``RequestIds`` has given to a request, or None outside of it."""
    request_id: str | None = scope.get("state", {}).get(_STATE_KEY)
    return request_id


class RequestIds:
    """Middleware that takes on the caller's ids, or makes one. The request's log lines and its answer have them."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and add its id to the answer's headers."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        trace = read_trace(scope["headers"])
        scope.setdefault("state", {})[_STATE_KEY] = trace.request_id

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"x-request-id", trace.request_id.encode())]
            await send(message)

        # On a keep-alive connection, the context still has what the previous request has bound. It is left bound
        # afterwards for the lines about a bug, which are written outside this middleware.
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(**trace.to_fields())
        await self._app(scope, receive, send_with_id)
