"""A span for each request, which continues the caller's trace."""

from __future__ import annotations

from http import HTTPStatus

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.middleware.access_log import NO_ROUTE, is_event_stream, is_probe, known_method, process_of, route_of
from api.middleware.request_ids import read_parent
from domain.spans import PROCESS, STATUS, Span, SpanKind, Tracer


class RequestSpans:
    """Middleware that opens a span for each request, except probes, and binds its trace to the log lines.

    The span has the template of the route, never the URL. It ends with the answer; that of an event stream, which
    may last for hours, ends when the answer starts.
    """

    def __init__(self, app: ASGIApp, tracer: Tracer) -> None:
        self._app = app
        self._tracer = tracer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on within its span."""
        if scope["type"] != "http" or is_probe(scope["path"]):
            await self._app(scope, receive, send)
            return
        method = known_method(scope["method"])
        with self._tracer.enter_span(method, SpanKind.SERVER, read_parent(scope["headers"])) as span:
            span.set("http.request.method", method)
            if span.context is not None:
                structlog.contextvars.bind_contextvars(trace_id=span.context.trace_id)

            is_answered = False

            async def send_observed(message: Message) -> None:
                nonlocal is_answered
                await send(message)
                if message["type"] == "http.response.start":
                    is_answered = True
                    _describe(span, method, scope, message["status"])
                    if is_event_stream(message["headers"]):
                        span.end()
                elif message["type"] == "http.response.body" and not message.get("more_body", False):
                    span.end()

            try:
                await self._app(scope, receive, send_observed)
            except Exception as error:
                # The answer to a bug is written outside this middleware.
                span.fail(type(error).__name__)
                if not is_answered:
                    _describe(span, method, scope, HTTPStatus.INTERNAL_SERVER_ERROR)
                raise


def _describe(span: Span, method: str, scope: Scope, status: int) -> None:
    span.set(STATUS, int(status))
    if status >= 500:
        span.fail(str(status))
    if (route := route_of(scope)) != NO_ROUTE:
        span.rename(f"{method} {route}")
        span.set("http.route", route)
    if (process := process_of(scope)) is not None:
        span.set(PROCESS, process)
