"""The HTTP protocol of the API's server, with limits on what a request may hold before anything reads it.

uvicorn over httptools has none: heads and pipelined requests grow in memory for as long as their sender likes, and
a connection that sends nothing is kept. h11 limits heads, but costs a third more for each request, and stops the
event loop for seconds when a body comes in tiny chunks. So httptools stays, and this class counts what it is given.
"""

from __future__ import annotations

from asyncio import BaseTransport
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from api.connection_table import ConnectionTable, HttpLimits, State

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

# What the parser is given at once: so much may a limit be exceeded by what it has not told of yet.
_PIECE_BYTES = 16 * 1024
# A refused sender is listened to for a moment, without keeping anything: closing at once would reset the
# connection, and the answer would be lost.
_LINGER_SECONDS = 2.0
_LINGER_BYTES = 1024 * 1024
_HEALTH_PATH = "/health/"


class _Excess(Exception):
    """A request is larger than it may be."""

    def __init__(self, status: HTTPStatus, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text


class LimitedProtocol(HttpToolsProtocol):
    """uvicorn's protocol over httptools, with limits.

    What the parser tells of is counted exactly, and refused at once. What it still collects (the parts of one
    header, of a chunk's extensions) is only known by what it was given: so data comes to it in small pieces.
    """

    table: ConnectionTable

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Begin like uvicorn's."""
        super().__init__(*args, **kwargs)
        self.state: State | None = None
        self.held_bytes = 0
        self._limits = self.table.limits
        self._excess: _Excess | None = None
        self._lingered_bytes = 0
        # A request is on its way, or the connection is new.
        self._receiving = True
        self._in_head = True
        self._head_bytes = 0
        self._untold_bytes = 0
        self._body_bytes = 0
        self._told = False

    def connection_made(self, transport: BaseTransport) -> None:
        """Take a place, if need be of somebody who does not use it."""
        super().connection_made(transport)  # type: ignore[arg-type]  # uvicorn narrows it.
        if not self.table.make_room():
            if self.table.is_full:
                self.transport.abort()
                return
            self.app = _only_health(self.app)
        self.table.move(self, State.REQUEST)

    def connection_lost(self, exc: Exception | None) -> None:
        """Give the place back."""
        self.table.hold(self, 0)
        self.table.move(self, None)
        super().connection_lost(exc)

    def cut(self) -> None:
        """Close the connection now, whatever is still to be sent."""
        self.table.hold(self, 0)
        self.table.move(self, None)
        self.transport.abort()

    def data_received(self, data: bytes) -> None:
        """Give the parser what came, piece by piece."""
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
        self._settle()
        if self.state is not None:
            unfinished = self._receiving and self._excess is None
            self.table.hold(self, self.held_bytes + len(data) if unfinished else 0)

    def _feed(self, piece: bytes) -> None:
        self._told, self._body_bytes = False, 0
        super().data_received(piece)
        if not self._is_over:
            # A piece in which a head or a message ends begins anew: less than itself is not counted.
            self._untold_bytes = 0 if self._told else self._untold_bytes + len(piece) - self._body_bytes
            if self._untold_bytes > self._limits.head_bytes:
                # Of a URL the parser tells as it comes, so this is no URL.
                self._refuse(self._too_large())

    def on_message_begin(self) -> None:
        """Begin to count."""
        super().on_message_begin()
        self._receiving = self._in_head = True
        self._head_bytes = 0

    def on_url(self, url: bytes) -> None:
        """Count a part of the URL."""
        super().on_url(url)
        if len(self.url) > self._limits.url_bytes:
            self._raise(
                _Excess(HTTPStatus.REQUEST_URI_TOO_LONG, f"A URL has {self._limits.url_bytes} bytes at most.")
            )

    def on_header(self, name: bytes, value: bytes) -> None:
        """Count a header. Trailers are dropped: uvicorn would add them to the headers, behind every check."""
        if not self._in_head:
            return
        super().on_header(name, value)
        self._head_bytes += len(name) + len(value) + len(b": \r\n")
        if self._head_bytes + len(self.url) > self._limits.head_bytes or len(self.headers) > self._limits.headers:
            self._raise(self._too_large())

    def on_headers_complete(self) -> None:
        """Have the request answered, unless too many wait on this connection."""
        self._in_head, self._told = False, True
        if len(self.pipeline) >= self._limits.pipelined:
            self._raise(_Excess(HTTPStatus.TOO_MANY_REQUESTS, "Wait for the answers to the requests before."))
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take a part of the body."""
        self._body_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Note that the request is whole."""
        self._receiving, self._told = False, True
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Go on with the connection, or close it."""
        super().on_response_complete()
        self._settle()

    def pause_writing(self) -> None:
        """Note that the client takes nothing for now."""
        super().pause_writing()
        self._settle()

    def resume_writing(self) -> None:
        """Note that the client has taken something."""
        super().resume_writing()
        self._settle()

    def timeout_keep_alive_handler(self) -> None:
        """Close a connection that was kept in vain."""
        super().timeout_keep_alive_handler()
        self._settle()

    def send_400_response(self, msg: str) -> None:
        """Refuse what the parser does not take; it also takes no request that is too large."""
        if self._excess is not None:
            self._refuse(self._excess)
        else:
            super().send_400_response(msg)

    def _settle(self) -> None:
        """Note what the connection waits for now."""
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

    def _too_large(self) -> _Excess:
        limits = self._limits
        return _Excess(
            HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
            f"A request has {limits.headers} headers and {limits.head_bytes} bytes beside its body at most.",
        )

    def _raise(self, excess: _Excess) -> None:
        self._excess = excess
        raise excess

    def _refuse(self, excess: _Excess) -> None:
        self._excess = excess
        if self._is_answering:
            # Whatever were written now would stand in the midst of another answer.
            self.cut()
            return
        text = excess.text.encode()
        self.transport.write(
            b"HTTP/1.1 %d %s\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: %d\r\n"
            b"connection: close\r\n\r\n%s" % (excess.status, excess.status.phrase.encode(), len(text), text)
        )
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.loop.call_later(_LINGER_SECONDS, self.transport.abort)


def limited_http(limits: HttpLimits) -> type[LimitedProtocol]:
    """Return a protocol class for ``uvicorn.Config(http=…)`` whose connections share these limits."""
    return type("LimitedProtocol", (LimitedProtocol,), {"table": ConnectionTable(limits)})


def _only_health(app: ASGIApp) -> ASGIApp:
    """Return an application that answers health checks as another does, and 503 to everything else."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"].startswith(_HEALTH_PATH):
            await app(scope, receive, send)
            return
        text = b"Too many connections. Ask again later."
        headers = [
            (b"content-type", b"text/plain; charset=utf-8"),
            (b"content-length", b"%d" % len(text)),
            (b"connection", b"close"),
            (b"retry-after", b"5"),
        ]
        await send({"type": "http.response.start", "status": 503, "headers": headers})
        await send({"type": "http.response.body", "body": text})

    return answer
