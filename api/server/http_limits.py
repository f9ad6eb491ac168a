"""uvicorn's HTTP protocol with limits on requests that no application code has seen yet.

uvicorn with httptools has no such limits: heads and pipelined requests grow in memory for as long as a client sends
them, and idle connections are kept. h11 limits heads, but each request costs a third more, and a body in tiny
chunks blocks the event loop for seconds. So httptools stays, and this class counts the bytes that it is given.
"""

from __future__ import annotations

from asyncio import BaseTransport
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from api.middleware.access_log import AccessLog, log_refusal, mark_logged
from api.middleware.request_ids import RequestIds, read_trace, request_id_of
from api.server.connection_table import ConnectionTable, HttpLimits, State
from domain.request_trace import RequestTrace

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

# Bytes passed to the parser at a time. By this much a limit may be exceeded before the parser reports it.
_PIECE_BYTES = 16 * 1024
# After a refusal the connection stays open for a moment and what arrives is discarded. Closing it at once would
# reset it, and the client would not receive the answer.
_LINGER_SECONDS = 2.0
_LINGER_BYTES = 1024 * 1024
_HEALTH_PATH = "/health"


class _LimitExceeded(Exception):
    """A request exceeds a limit."""

    def __init__(self, status: HTTPStatus, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text


class LimitedProtocol(HttpToolsProtocol):
    """uvicorn's httptools protocol with limits.

    What the parser reports is counted exactly and refused at once. What it still buffers (parts of a header, of a
    chunk's extensions) is known only by the bytes that it was given, so it gets data in small pieces.
    """

    table: ConnectionTable
    has_access_log: bool

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Initialize the counters."""
        super().__init__(*args, **kwargs)
        self.state: State | None = None
        self.held_bytes = 0
        self._limits = self.table.limits
        self._excess: _LimitExceeded | None = None
        self._lingered_bytes = 0
        # A request is arriving, or the connection is new.
        self._receiving = True
        # The parser is inside a request.
        self._has_begun = False
        self._in_head = True
        self._head_bytes = 0
        self._unreported_bytes = 0
        self._body_bytes = 0
        self._reported = False

    def connection_made(self, transport: BaseTransport) -> None:
        """Register the connection; at the limit, evict an idle one."""
        super().connection_made(transport)  # type: ignore[arg-type]  # uvicorn narrows it.
        if not self.table.make_room():
            if self.table.is_full:
                self.transport.abort()
                return
            self.app = _only_health(self.app, access_log=self.has_access_log)
        self.table.move(self, State.REQUEST)

    def connection_lost(self, exc: Exception | None) -> None:
        """Remove the connection from the table."""
        self.table.hold(self, 0)
        self.table.move(self, None)
        super().connection_lost(exc)

    def cut(self) -> None:
        """Close the connection now, without sending the rest."""
        self.table.hold(self, 0)
        self.table.move(self, None)
        self.transport.abort()

    def data_received(self, data: bytes) -> None:
        """Pass the received bytes to the parser, piece by piece."""
        if self._excess is not None:
            self._lingered_bytes += len(data)
            if self._lingered_bytes > _LINGER_BYTES:
                self.cut()
            return
        self._receiving = True
        for start in range(0, len(data), _PIECE_BYTES):
            self._feed(data[start : start + _PIECE_BYTES])
            if self._is_over:
                break
        self._update_state()
        if self.state is not None:
            is_incomplete = self._receiving and self._excess is None
            self.table.hold(self, self.held_bytes + len(data) if is_incomplete else 0)

    def _feed(self, piece: bytes) -> None:
        self._reported, self._body_bytes = False, 0
        super().data_received(piece)
        if not self._is_over:
            # A piece in which a head or a message ends resets the count; the piece itself is not counted.
            self._unreported_bytes = 0 if self._reported else self._unreported_bytes + len(piece) - self._body_bytes
            if self._unreported_bytes > self._limits.head_bytes:
                # The parser reports a URL as it arrives, so this is not a URL.
                self._refuse(self._too_large())

    def on_message_begin(self) -> None:
        """Reset the counters of the head."""
        super().on_message_begin()
        self._receiving = self._has_begun = self._in_head = True
        self._head_bytes = 0

    def on_url(self, url: bytes) -> None:
        """Count a part of the URL."""
        super().on_url(url)
        if len(self.url) > self._limits.url_bytes:
            self._raise(
                _LimitExceeded(
                    HTTPStatus.REQUEST_URI_TOO_LONG, f"A URL may have at most {self._limits.url_bytes} bytes."
                )
            )

    def on_header(self, name: bytes, value: bytes) -> None:
        """Count a header. Trailers are dropped: uvicorn would add them to the headers after all checks."""
        if not self._in_head:
            return
        super().on_header(name, value)
        self._head_bytes += len(name) + len(value) + len(b": \r\n")
        if self._head_bytes + len(self.url) > self._limits.head_bytes or len(self.headers) > self._limits.headers:
            self._raise(self._too_large())

    def on_headers_complete(self) -> None:
        """Start answering the request, unless too many wait on this connection."""
        self._in_head, self._reported = False, True
        if len(self.pipeline) >= self._limits.pipelined:
            self._raise(
                _LimitExceeded(
                    HTTPStatus.TOO_MANY_REQUESTS, "Too many pipelined requests. Wait for the earlier answers."
                )
            )
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Count a part of the body."""
        self._body_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Record that the request is complete."""
        self._receiving, self._has_begun, self._reported = False, False, True
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Update the state after an answer."""
        super().on_response_complete()
        self._update_state()

    def pause_writing(self) -> None:
        """Record that the client reads nothing at present."""
        super().pause_writing()
        self._update_state()

    def resume_writing(self) -> None:
        """Record that the client has read something."""
        super().resume_writing()
        self._update_state()

    def timeout_keep_alive_handler(self) -> None:
        """Close a connection that was kept alive without a further request."""
        super().timeout_keep_alive_handler()
        self._update_state()

    def send_400_response(self, msg: str) -> None:
        """Refuse a malformed request, or one whose limit exception the parser has turned into a parse error."""
        if self._excess is not None:
            self._refuse(self._excess)
        elif self._is_answering and self.cycle.response_started:
            # Anything written now would end up in the middle of that answer.
            self.cut()
        else:
            self._write_refusal(HTTPStatus.BAD_REQUEST, msg)
            self.transport.close()

    def _update_state(self) -> None:
        """Record what the connection waits for now."""
        if self.state is None:
            return
        if self.transport.is_closing() or self.flow.write_paused:
            state = State.READER
        elif self._is_answering and not self.cycle.more_body:
            state = State.ANSWER
        elif self._receiving:
            state = State.REQUEST
        else:
            state = State.ANSWER if self.pipeline else State.NOTHING
        self.table.move(self, state)

    @property
    def _is_over(self) -> bool:
        return self._excess is not None or self.transport.is_closing()

    @property
    def _is_answering(self) -> bool:
        cycle: Any = self.cycle  # None before the first request, whatever uvicorn's annotation says.
        return cycle is not None and not cycle.response_complete

    def _too_large(self) -> _LimitExceeded:
        limits = self._limits
        return _LimitExceeded(
            HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
            f"A request may have at most {limits.headers} headers and {limits.head_bytes} bytes besides its body.",
        )

    def _raise(self, excess: _LimitExceeded) -> None:
        self._excess = excess
        raise excess

    def _refuse(self, excess: _LimitExceeded) -> None:
        self._excess = excess
        if self._is_answering:
            # Anything written now would end up in the middle of another answer.
            self.cut()
            return
        self._write_refusal(excess.status, excess.text)
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.loop.call_later(_LINGER_SECONDS, self.transport.abort)

    def _write_refusal(self, status: HTTPStatus, reason: str) -> None:
        text, trace = reason.encode(), self._read_trace()
        self.transport.write(
            b"HTTP/1.1 %d %s\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: %d\r\n"
            b"x-request-id: %s\r\nconnection: close\r\n\r\n%s"
            % (status, status.phrase.encode(), len(text), trace.request_id.encode(), text)
        )
        if self.has_access_log:
            scope = self._arriving_scope
            if scope is not None:
                mark_logged(scope)
            # Without a URL, the parser has read no method either.
            method = self.parser.get_method().decode("ascii") if scope is not None and self.url else None
            peer = self.client[0] if self.client else None
            log_refusal(trace, status, method=method, peer=peer, reason=reason)

    def _read_trace(self) -> RequestTrace:
        """Return the ids of the request that is arriving, from the headers that have arrived so far."""
        scope = self._arriving_scope
        if scope is None:
            return read_trace(())
        trace = read_trace(self.headers)
        # The application may know the request already, if it is the body that cannot be read.
        return RequestTrace(request_id_of(scope) or trace.request_id, trace.trace_id)

    @property
    def _arriving_scope(self) -> Scope | None:
        scope: Any = self.scope  # A TypedDict for uvicorn, any mapping for Starlette.
        return scope if self._has_begun else None


def limited_http(limits: HttpLimits, *, access_log: bool = True) -> type[LimitedProtocol]:
    """Return a protocol class for ``uvicorn.Config(http=…)`` whose connections share one table.

    Args:
        limits: The limits.
        access_log: Log what is refused here, as the application logs its own requests.
    """
    shared = {"table": ConnectionTable(limits), "has_access_log": access_log}
    return type("LimitedProtocol", (LimitedProtocol,), shared)


def _only_health(app: ASGIApp, *, access_log: bool) -> ASGIApp:
    """Wrap an application so that it answers only health checks, and 503 to everything else."""

    async def refuse(_scope: Scope, _receive: Receive, send: Send) -> None:
        text = b"Too many connections. Try again later."
        headers = [
            (b"content-type", b"text/plain; charset=utf-8"),
            (b"content-length", b"%d" % len(text)),
            (b"connection", b"close"),
            (b"retry-after", b"5"),
        ]
        await send({"type": "http.response.start", "status": 503, "headers": headers})
        await send({"type": "http.response.body", "body": text})

    refusing = RequestIds(AccessLog(refuse) if access_log else refuse)

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        await (app if scope["path"].startswith(_HEALTH_PATH) else refusing)(scope, receive, send)

    return answer
