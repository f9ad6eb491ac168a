"""Server-sent events, from the bytes of a stream (the WHATWG's HTML standard, 9.2.6)."""

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
        id: the last id that the stream gave, to go on from; empty if it gave none.
    """

    type: str
    data: str
    id: str


class EventParser:
    """Makes events of the pieces in which a stream comes.

    Lines end with CR, LF or both and with nothing else: data may hold every other separator of Unicode.
    """

    def __init__(self) -> None:
        """Begin at the beginning of a stream."""
        self._rest = b""
        self._begun = False
        self._type = ""
        self._data: list[str] = []
        self._data_bytes = 0
        self._id = ""
        self.retry_seconds: float | None = None

    def feed(self, piece: bytes) -> Iterator[ServerEvent]:
        """The events that are whole now.

        Raises:
            UnexpectedAnswer: this is no stream of events.
        """
        text = self._rest + piece
        if not self._begun:
            if len(text) < 3 and b"\xef\xbb\xbf".startswith(text):
                self._rest = text
                return
            text = text.removeprefix(b"\xef\xbb\xbf")
            self._begun = True
        # A CR at the end may be half of a CR LF.
        held = text.endswith(b"\r")
        lines = text[: -1 if held else None].replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        self._rest = lines.pop() + (b"\r" if held else b"")
        if len(self._rest) > _MAX_EVENT_BYTES:
            raise UnexpectedAnswer("A line of the stream of events has no end.")
        for line in lines:
            if event := self._take(line.decode(errors="replace")):
                yield event

    def _take(self, line: str) -> ServerEvent | None:
        if not line:
            return self._dispatch()
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "data":
            self._data.append(value)
            # Empty lines of data take memory, too.
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
