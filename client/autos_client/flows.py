"""What takes several steps, without doing any of them.

A flow is a generator: it yields a step and is sent its result. ``Autos`` and ``AsyncAutos`` only carry steps out,
one by waiting and one by awaiting, so that what is done is written once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from autos_client import calls
from autos_client.calls import Answer, Call
from autos_client.errors import NotFound, RateLimited, TookTooLong, Unavailable, UnexpectedAnswer
from autos_client.models import Status
from autos_client.sse import EventParser

T = TypeVar("T")

_TRIES = 4
_LONGEST_PAUSE_SECONDS = 60.0
_POLL_SECONDS = 2.0
_LEAST_SECONDS = 1.0
# Streams in a row that end soon and tell nothing.
_MOST_EMPTY_STREAMS = 20
_SOON_SECONDS = 5.0
# The largest document that the service takes, unless its operator says otherwise.
_MOST_IN_MEMORY_BYTES = 2 * 1024**3


class Sink(Protocol):
    """Takes the bytes of a file."""

    def write(self, piece: bytes) -> None:
        """Take the next bytes."""


@dataclass(frozen=True, slots=True)
class Send:
    """Send a request to the API. The result is an ``Answer``."""

    call: Call[Any]


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Fetch:
    """Bring the bytes behind a link. The result is the HTTP status; only those of a 200 go into the sink."""

    url: str = field(repr=False)
    sink: Sink = field(repr=False)


@dataclass(frozen=True, slots=True)
class Work:
    """Do something that keeps this machine busy, such as reading a file. The result is what it returns."""

    task: Callable[[], Any]


@dataclass(frozen=True, slots=True)
class Together:
    """Carry out flows, a few at once. The result is the list of theirs.

    Attributes:
        stop: called if they must end early.
    """

    flows: Iterable[Generator[Any, Any, Any]]
    at_once: int
    stop: Callable[[], None]


Step = Send | Pause | Fetch | Work | Together
Flow = Generator[Step, Any, T]


def asking(call: Call[T]) -> Flow[T]:
    """Send a request, again if that is harmless and may help, and read its answer.

    Raises:
        AutosError: the API refused, or did not answer.
    """
    return call.read((yield from sending(call)))


def sending(call: Call[Any]) -> Flow[Answer]:
    """As ``asking``, up to the answer."""
    for tried in range(1, _TRIES + 1):
        try:
            answer: Answer = yield Send(call)
            return call.check(answer)
        except (Unavailable, RateLimited) as problem:
            pause = problem.retry_after if problem.retry_after is not None else growing(tried)
            if tried == _TRIES or not call.repeatable or pause > _LONGEST_PAUSE_SECONDS:
                raise
        yield Pause(pause)
    raise AssertionError("The last try returns or raises.")


def growing(tried: int) -> float:
    """Seconds to wait after so many tries in vain."""
    return float(min(0.125 * 2 ** min(tried, 10), 10.0))


def waiting(
    number: str,
    timeout: float | None,
    *,
    hold: float = calls.LONGEST_HOLD_SECONDS,
    tell: Callable[[Status], None] = lambda _: None,
) -> Flow[Status]:
    """Wait until no run is open.

    Args:
        number: the process.
        timeout: seconds to wait at most; for as long as it takes if none.
        hold: how long each answer may be held back, in seconds.
        tell: called with each status.

    Raises:
        TookTooLong: the time is over.
        AutosError: the API refused, or did not answer.
    """
    deadline = None if timeout is None else time.monotonic() + timeout
    held = 0.0
    while True:
        call, begun = calls.status(number, wait=held), time.monotonic()
        answer = yield from sending(call)
        status = call.read(answer)
        tell(status)
        if status.ended:
            return status
        left = hold if deadline is None else deadline - time.monotonic()
        if left <= 0:
            raise TookTooLong(f"{status.process_number} is still being downloaded. Ask again later.")
        asked, held = held, min(hold, left)
        if held < 1 or (asked and "preference-applied" not in answer.headers):
            yield Pause(min(answer.retry_after or _POLL_SECONDS, left))
        elif asked and (early := _LEAST_SECONDS - (time.monotonic() - begun)) > 0:
            # Held back as asked, but only until something had changed.
            yield Pause(early)


class Watching:
    """One watch over the events of a process, over as many connections as it takes."""

    def __init__(self, number: str) -> None:
        """Begin with the present state."""
        self._number = number
        self._parser = EventParser()
        self._last_id = ""
        self._in_vain = 0
        self._over = False
        self._opened_at = 0.0
        self._empty_streams = 0

    def call(self) -> Call[None]:
        """The request for the stream, from where it broke off."""
        self._parser = EventParser()
        return calls.events(self._number, self._last_id)

    def is_over(self) -> bool:
        """Whether the end was told."""
        return self._over

    def opened(self, answer: Answer) -> None:
        """Look at the answer before its stream.

        Raises:
            AutosError: the API refused.
        """
        self._opened_at = time.monotonic()
        if answer.status == 204:
            self._over = True
        elif answer.status != 200:
            raise answer.problem()
        elif not answer.headers.get("content-type", "").startswith("text/event-stream"):
            raise UnexpectedAnswer("The answer is no stream of events.")

    def feed(self, piece: bytes) -> list[Status]:
        """The statuses that are told by now."""
        told = []
        for event in self._parser.feed(piece):
            self._last_id, self._in_vain, self._empty_streams = event.id, 0, 0
            if event.type in ("progress", "ended"):
                told.append(calls.read_status(event.data))
                self._over = self._over or event.type == "ended"
        return told

    def broken(self, problem: Unavailable | RateLimited | None) -> float:
        """Say how long to wait before the next connection.

        Raises:
            ApiProblem: it has been tried often enough.
            UnexpectedAnswer: one stream after the other ends at once, without a word.
        """
        self._in_vain += 1
        if problem is None:
            soon = time.monotonic() - self._opened_at < _SOON_SECONDS
            self._empty_streams = self._empty_streams + 1 if soon else 0
            if self._empty_streams > _MOST_EMPTY_STREAMS:
                raise UnexpectedAnswer("The streams of events end without a word.")
        if problem is not None and self._in_vain >= _TRIES:
            raise problem
        if problem is not None and problem.retry_after is not None:
            return min(problem.retry_after, _LONGEST_PAUSE_SECONDS)
        asked = min(self._parser.retry_seconds or 0.0, _LONGEST_PAUSE_SECONDS)
        return max(growing(self._in_vain), asked)


def linking(number: str, document_id: str) -> Flow[str]:
    """A fresh link to a document.

    Raises:
        UnexpectedAnswer: the API gave none.
        AutosError: the API refused, or did not answer.
    """
    link = yield from asking(calls.content(number, document_id))
    if not link:
        raise UnexpectedAnswer("The API led to no link.")
    return link


def reading(number: str, document_id: str) -> Flow[bytes]:
    """The bytes of a document.

    Raises:
        AutosError: the API refused, or it or the store did not answer.
    """
    for tried in range(1, _TRIES + 1):
        link = yield from linking(number, document_id)
        memory = _Memory()
        try:
            status = yield Fetch(link, memory)
        except Unavailable:
            if tried == _TRIES:
                raise
        else:
            if status == 200:
                return b"".join(memory.pieces)
            if status == 404:
                raise NotFound("object_missing", "The store does not have this document.", status=status)
        yield Pause(growing(tried))
    raise Unavailable("storage_unavailable", f"The store answers HTTP {status}.", status=status)


@dataclass(slots=True)
class _Memory:
    pieces: list[bytes] = field(default_factory=list)
    size_bytes: int = 0

    def write(self, piece: bytes) -> None:
        self.pieces.append(piece)
        self.size_bytes += len(piece)
        if self.size_bytes > _MOST_IN_MEMORY_BYTES:
            raise UnexpectedAnswer("The document is larger than any that is brought into memory.")
