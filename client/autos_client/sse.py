"""An incremental parser of server-sent events (WHATWG HTML standard, section 9.2.6).

``httpx-sse`` is not used: it reads whole lines of any length into memory, and this parser limits them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from autos_client.errors import UnexpectedAnswer

_MAX_EVENT_BYTES = 1024 * 1024
_MAX_RETRY_DIGITS = 9


@dataclass(frozen=True, slots=True)
class ServerEvent:
    """One event.

    Attributes:
        id: The last id of the stream so far, to resume from. Empty if there was none.
    """

    type: str
    data: str
    id: str


class EventParser:
    """Parses a stream that arrives in pieces of any size.

    Lines end with CR, LF or CRLF only: data may hold the other line separators of Unicode.
    """

    def __init__(self) -> None:
        """Start before the first byte of a stream."""
        self._rest = b""
        self._has_started = False
        self._type = ""
        self._data: list[str] = []
        self._data_bytes = 0
        self._id = ""
        self.retry_seconds: float | None = None

    def feed(self, piece: bytes) -> Iterator[ServerEvent]:
        """Yield the events that are complete with these bytes.

        Raises:
            UnexpectedAnswer: A line or an event is too long.
        """
        text = self._rest + piece
        if not self._has_started:
            if len(text) < 3 and b"\xef\xbb\xbf".startswith(text):
                self._rest = text
                return
            text = text.removeprefix(b"\xef\xbb\xbf")
            self._has_started = True
        # A CR at the end may be the first half of a CRLF.
        ends_with_cr = text.endswith(b"\r")
        lines = text[: -1 if ends_with_cr else None].replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        self._rest = lines.pop() + (b"\r" if ends_with_cr else b"")
        if len(self._rest) > _MAX_EVENT_BYTES:
            raise UnexpectedAnswer("A line of the stream of events has no end.")
        for line in lines:
            if event := self._parse_line(line.decode(errors="replace")):
                yield event

    def _parse_line(self, line: str) -> ServerEvent | None:
        if not line:
            return self._dispatch()
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "data":
            self._data.append(value)
            # Empty data lines take memory too.
            self._data_bytes += len(value) + 1
            if self._data_bytes > _MAX_EVENT_BYTES:
                raise UnexpectedAnswer("An event of the stream has no end.")
        elif field == "event":
            self._type = value
        elif field == "id" and "\0" not in value:
            self._id = value
        elif field == "retry" and value.isascii() and value.isdecimal() and len(value) <= _MAX_RETRY_DIGITS:
            self.retry_seconds = int(value) / 1000
        return None

    def _dispatch(self) -> ServerEvent | None:
        event = ServerEvent(self._type or "message", "\n".join(self._data), self._id) if self._data else None
        self._type, self._data, self._data_bytes = "", [], 0
        return event
