"""The access log: one line for each request, whatever it is answered with."""

from __future__ import annotations

import time
from collections.abc import Iterable
from contextlib import suppress
from contextvars import Context
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.middleware.methods import KNOWN_METHODS
from domain.errors import InvalidInput
from domain.process_number import ProcessNumber
from domain.request_trace import RequestTrace

NO_ROUTE = "(none)"
# Probes and static files. Their successes would drown everything else.
_STATIC = "/ui/static/"
_QUIET_ROUTES = frozenset({"/health", "/health/live", "/health/ready", "/metrics", f"{_STATIC}{{name}}"})
_OTHER_METHOD = "other"
_LOGGED_KEY = "access_logged"
_COMPLETE = "ended"
_STREAM = b"text/event-stream"

_log = structlog.get_logger()


class AccessLog:
    """Middleware that writes a line ``request`` for each request, with fields that no caller can write freely.

    The route is the template, never the URL: queries hold webhook URLs and cursors. The line is written when the
    answer has ended, and its time is that to the start of the answer. An event stream has this line at its start,
    and another one, ``stream ended``, at its end.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and log how it was answered."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answer = _Answer(time.perf_counter())

        async def receive_observed() -> Message:
            message = await receive()
            if message["type"] == "http.disconnect" and not answer.is_complete:
                answer.reason = "client_gone"
            return message

        async def send_observed(message: Message) -> None:
            answer.observe(message)
            await send(message)
            if answer.is_stream and message["type"] == "http.response.start":
                _log_request(scope, answer)

        try:
            await self._app(scope, receive_observed, send_observed)
        except Exception:
            # The answer to a bug is written outside this middleware.
            answer.fail()
            raise
        finally:
            if answer.is_stream:
                _log_stream_end(scope, answer)
            elif not scope.get("state", {}).get(_LOGGED_KEY):
                _log_request(scope, answer)


@dataclass(slots=True)
class _Answer:
    """What is known of an answer.

    Attributes:
        started_at: When the request arrived.
        seconds: Time until the answer started.
        reason: Why the answer did not reach its end. Empty if it did.
    """

    started_at: float
    status: int | None = None
    seconds: float = 0.0
    body_bytes: int = 0
    is_stream: bool = False
    is_complete: bool = False
    reason: str = ""

    def observe(self, message: Message) -> None:
        """Take note of a part of the answer."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.seconds = time.perf_counter() - self.started_at
            self.is_stream = is_event_stream(message["headers"])
        elif message["type"] == "http.response.body":
            self.body_bytes += len(message.get("body", b""))
            self.is_complete = not message.get("more_body", False)

    @property
    def end(self) -> str:
        """How the answer ended."""
        return self.reason or (_COMPLETE if self.is_complete else "cancelled")

    def fail(self) -> None:
        """Take note of a bug."""
        self.reason = "failed"
        if self.status is None:
            self.status = HTTPStatus.INTERNAL_SERVER_ERROR
            self.seconds = time.perf_counter() - self.started_at


def route_of(scope: Scope) -> str:
    """Return the template of a request's route. A request without one has a path that may be anything."""
    route: str = getattr(scope.get("route"), "path", NO_ROUTE)
    return route


def process_of(scope: Scope) -> str | None:
    """Return the process that a request's path names, or None."""
    number = scope.get("path_params", {}).get("number")
    if number is not None:
        with suppress(InvalidInput):
            return ProcessNumber.parse(str(number)).canonical
    return None


def is_probe(path: str) -> bool:
    """Return whether a path is that of a probe or a static file, of which there are many and which say nothing."""
    return path in _QUIET_ROUTES or path.startswith(_STATIC)


def is_event_stream(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Return whether an answer with these headers is a stream of events, which may last for hours."""
    return any(name.lower() == b"content-type" and value.startswith(_STREAM) for name, value in headers)


def mark_logged(scope: Scope) -> None:
    """Have the application write no line for a request that is refused while it is being answered."""
    scope.setdefault("state", {})[_LOGGED_KEY] = True


def log_refusal(trace: RequestTrace, status: int, *, method: str | None, peer: str | None, reason: str) -> None:
    """Write the line for a request that is refused before the application sees it.

    Args:
        trace: The ids of the request.
        status: Status of the answer.
        method: The request's method, or None if it did not get that far.
        peer: Address of the other end of the connection.
        reason: Why it is refused.
    """
    fields: dict[str, Any] = {"method": known_method(method)} if method else {}
    if peer:
        fields["peer"] = peer
    # The connection's context may still have what an earlier request has bound.
    Context().run(_log.info, "request", route=NO_ROUTE, status=status, reason=reason, **fields, **trace.to_fields())


def _log_request(scope: Scope, answer: _Answer) -> None:
    fields = _fields_of(scope)
    if answer.status is not None:
        fields["status"] = int(answer.status)
        fields["duration_ms"] = round(answer.seconds * 1000, 1)
    if not answer.is_stream:
        if answer.is_complete or answer.body_bytes:
            fields["bytes"] = answer.body_bytes
        if answer.end != _COMPLETE:
            fields["reason"] = answer.end
    is_quiet = fields["route"] in _QUIET_ROUTES and answer.status is not None and answer.status < 400
    (_log.debug if is_quiet else _log.info)("request", **fields)


def _log_stream_end(scope: Scope, answer: _Answer) -> None:
    _log.info(
        "stream ended",
        **_fields_of(scope),
        seconds=round(time.perf_counter() - answer.started_at, 1),
        bytes=answer.body_bytes,
        reason=answer.end,
    )


def _fields_of(scope: Scope) -> dict[str, Any]:
    fields: dict[str, Any] = {"method": known_method(scope["method"]), "route": route_of(scope)}
    if (process := process_of(scope)) is not None:
        fields["process"] = process
    if scope.get("client"):
        fields["peer"] = scope["client"][0]
    return fields


def known_method(method: str) -> str:
    """Return a request's method, or ``other`` for one that may be any text."""
    return method if method in KNOWN_METHODS else _OTHER_METHOD
