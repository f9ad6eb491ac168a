"""Operations of several steps, without I/O (the sans-I/O pattern).

A flow is a generator: it yields a step and receives its result. ``Autos`` runs the steps by blocking and
``AsyncAutos`` by awaiting, so each operation is written once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from autos_client import requests
from autos_client.errors import AutosError, NotFound, RateLimited, TookTooLong, Unavailable, UnexpectedAnswer
from autos_client.models import Status
from autos_client.patience import Party, Patience, Retries
from autos_client.requests import Answer, Call
from autos_client.waits import MAX_WAIT_SECONDS, with_jitter

T = TypeVar("T")

_POLL_SECONDS = 2.0
_MIN_SECONDS_BETWEEN_POLLS = 1.0
# The service's default limit for a document.
_MAX_IN_MEMORY_BYTES = 2 * 1024**3


class Sink(Protocol):
    """Where the bytes of a document are written."""

    def write(self, piece: bytes) -> None:
        """Write the next bytes."""


@dataclass(frozen=True, slots=True)
class Send:
    """Send a request to the API. The result is an ``Answer``."""

    call: Call[Any]


@dataclass(frozen=True, slots=True)
class Sleep:
    """Sleep."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Download:
    """Download from a link into the sink. The result is the HTTP status.

    Attributes:
        sink: Gets bytes only if the status is 200, or 206 with ``first_byte``.
        first_byte: Leave out the bytes before it. The status is 206 then, and 200 if the store sends all of them:
            in that case the sink gets only those from there on.
    """

    url: str = field(repr=False)
    sink: Sink = field(repr=False)
    first_byte: int = 0


@dataclass(frozen=True, slots=True)
class RunBlocking:
    """Call a blocking function, such as one that reads a file. The result is what it returns."""

    task: Callable[[], Any]


@dataclass(frozen=True, slots=True)
class Parallel:
    """Run flows concurrently. The result is the list of their results.

    Attributes:
        at_once: How many run at the same time.
        stop: Called if they must end early.
    """

    flows: Iterable[Generator[Any, Any, Any]]
    at_once: int
    stop: Callable[[], None]


Step = Send | Sleep | Download | RunBlocking | Parallel
Flow = Generator[Step, Any, T]


def send(call: Call[T], patience: Patience) -> Flow[T]:
    """Send a request with retries, and return its parsed answer.

    Raises:
        AutosError: The API refused, or did not answer.
    """
    return call.read((yield from send_with_retries(call, patience)))


def send_with_retries(call: Call[Any], patience: Patience) -> Flow[Answer]:
    """Send a request, and again after a backoff if it is repeatable. Return the answer unparsed."""
    retries = Retries(patience)
    while True:
        answer = None
        try:
            answer = yield Send(call)
            checked = call.check(answer)
        except (Unavailable, RateLimited) as problem:
            delay = retries.delay_after(problem) if call.repeatable else None
            if delay is None:
                raise
        except AutosError:
            if answer is not None:
                retries.answered()
            raise
        else:
            retries.answered()
            return checked
        yield Sleep(delay)


def wait_until_ended(
    number: str,
    timeout: float | None,
    patience: Patience,
    *,
    at_each_change: Callable[[Status], Flow[float]] | None = None,
) -> Flow[Status]:
    """Wait until no run is open, by long polling.

    Args:
        number: The process.
        timeout: Seconds to wait at most. ``None`` means no limit.
        patience: How long to outlive an API that does not answer.
        at_each_change: Run with each status; the API then answers at each change. Returns the seconds after which
            it wants to be run again, even if nothing changes.

    Raises:
        TookTooLong: The time is over.
        AutosError: The API refused, or did not answer.
    """
    deadline = None if timeout is None else time.monotonic() + timeout
    next_hold, known_tag = 0.0, ""
    while True:
        call, sent_at = requests.status(number, wait=next_hold, known=known_tag), time.monotonic()
        answer = yield from send_with_retries(call, patience)
        if answer.status != 304:
            status = call.read(answer)
        hold = float(requests.LONGEST_HOLD_SECONDS)
        if at_each_change:
            hold = yield from at_each_change(status)
            known_tag = answer.headers.get("etag", "")
        if status.ended:
            return status
        seconds_left = hold if deadline is None else deadline - time.monotonic()
        if seconds_left <= 0:
            raise TookTooLong(f"{status.process_number} is still being downloaded. Ask again later.")
        requested_hold, next_hold = next_hold, min(hold, seconds_left)
        if next_hold < 1 or (requested_hold and "preference-applied" not in answer.headers):
            # The server does not hold answers back, so poll.
            interval = max(min(answer.retry_after or _POLL_SECONDS, MAX_WAIT_SECONDS), _MIN_SECONDS_BETWEEN_POLLS)
            yield Sleep(min(with_jitter(interval), seconds_left))
        elif requested_hold and (rest := _MIN_SECONDS_BETWEEN_POLLS - (time.monotonic() - sent_at)) > 0:
            # The answer was held back, but only until something changed, which may be often.
            yield Sleep(rest)


def fetch_link(number: str, document_id: str, patience: Patience) -> Flow[str]:
    """Return a fresh link to a document.

    Raises:
        UnexpectedAnswer: The API returned no link.
        AutosError: The API refused, or did not answer.
    """
    link = yield from send(requests.content(number, document_id), patience)
    if not link:
        raise UnexpectedAnswer("The API led to no link.")
    return link


def fetch_content(number: str, document_id: str, patience: Patience) -> Flow[bytes]:
    """Return the bytes of a document.

    Raises:
        AutosError: The API refused, or the API or the store did not answer.
    """
    retries = Retries(patience, Party.STORE)
    while True:
        link = yield from fetch_link(number, document_id, patience)
        buffer = _MemorySink()
        try:
            status = yield Download(link, buffer)
            if status == 404:
                raise NotFound("object_missing", "The store does not have this document.", status=status)
            if status != 200:
                raise store_refusal(status)
        except Unavailable as problem:
            delay = retries.delay_after(problem, may_be_outage=is_store_outage(problem))
            if delay is None:
                raise
        else:
            retries.answered()
            return b"".join(buffer.pieces)
        yield Sleep(delay)


def store_refusal(status: int) -> Unavailable:
    """Return the exception for an answer of the store without the document."""
    return Unavailable("storage_unavailable", f"The store answers HTTP {status}.", status=status)


def is_store_outage(problem: Unavailable) -> bool:
    """Whether the store is not there now. Otherwise it refuses this link, and a fresh one may help."""
    return problem.status is None or problem.status == 429 or problem.status >= 500


@dataclass(slots=True)
class _MemorySink:
    pieces: list[bytes] = field(default_factory=list)
    size_bytes: int = 0

    def write(self, piece: bytes) -> None:
        self.pieces.append(piece)
        self.size_bytes += len(piece)
        if self.size_bytes > _MAX_IN_MEMORY_BYTES:
            raise UnexpectedAnswer("The document is too large for memory. Use download.")
