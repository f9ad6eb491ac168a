"""Which connections are open, what they wait for, and which of them make room for others."""

from __future__ import annotations

import resource
from asyncio import get_running_loop
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from itertools import takewhile
from typing import Protocol

import structlog

_SWEEP_SECONDS = 1.0
# Above the limit on connections, for health checks alone.
_HEALTH_CONNECTIONS = 16
# Of this process, for all that is no client: database, store, Temporal, files.
_OTHER_FILES = 256
_FEWEST_CONNECTIONS = 64

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class HttpLimits:
    """What connections and requests may use.

    Attributes:
        connections: open at once. Above it, the one that has waited longest without a request makes room.
        head_bytes: of the URL and the headers of a request together; also of all that is neither in them nor in the
            body: the sizes, extensions and trailers of chunks.
        url_bytes: of the URL alone.
        headers: how many a request may have.
        pipelined: requests that may wait for the answer to another on their connection.
        held_bytes: of all requests together that have not come whole. Above it, the oldest of them are given up.
        request_seconds: from a connection's opening, or from a request's first byte, until the request is complete.
        answer_seconds: for which a client may take nothing of an answer.
    """

    connections: int = 4096
    head_bytes: int = 32 * 1024
    url_bytes: int = 8 * 1024
    headers: int = 100
    pipelined: int = 8
    held_bytes: int = 48 * 1024 * 1024
    request_seconds: float = 20.0
    answer_seconds: float = 60.0


class State(Enum):
    """What a connection waits for."""

    REQUEST = "a request that has not come whole"
    ANSWER = "the API"
    READER = "a client that takes its answer"
    NOTHING = "nothing: it is kept for a further request"


# Who makes room first.
_EVICTED = (State.REQUEST, State.READER, State.NOTHING)


class Connection(Protocol):
    """What the table knows of a connection."""

    state: State | None
    held_bytes: int

    def cut(self) -> None:
        """Close it now."""


class ConnectionTable:
    """Every connection of the process by what it waits for, the longest wait first."""

    def __init__(self, limits: HttpLimits) -> None:
        self.limits = limits
        self._waiting: dict[State, dict[Connection, float]] = {state: {} for state in State}
        self._held_bytes = 0
        self._sweeping = False
        self._evicted = 0

    def __len__(self) -> int:
        """Return how many connections are open."""
        return sum(map(len, self._waiting.values()))

    def move(self, connection: Connection, state: State | None) -> None:
        """Note what a connection waits for from now on; None when it is closed."""
        if connection.state is state:
            return
        if connection.state is not None:
            self._waiting[connection.state].pop(connection, None)
        connection.state = state
        if state is not None:
            self._waiting[state][connection] = get_running_loop().time()
            self._sweep_later()

    def hold(self, connection: Connection, held_bytes: int) -> None:
        """Note how much of an unfinished request a connection holds, and keep all of them within the limit."""
        self._held_bytes += held_bytes - connection.held_bytes
        connection.held_bytes = held_bytes
        unfinished = self._waiting[State.REQUEST]
        while self._held_bytes > self.limits.held_bytes and unfinished:
            self._evict(next(iter(unfinished)))

    def make_room(self) -> bool:
        """Close the connection that has waited longest without a request, if there are too many.

        Returns:
            False if there are too many, and all of them are being served.
        """
        if len(self) < self.limits.connections:
            return True
        oldest = next((next(iter(waiting)) for state in _EVICTED if (waiting := self._waiting[state])), None)
        if oldest is None:
            return False
        self._evict(oldest)
        return True

    @property
    def is_full(self) -> bool:
        """Whether not even a health check has a place."""
        return len(self) >= self.limits.connections + _HEALTH_CONNECTIONS

    def _evict(self, connection: Connection) -> None:
        self._evicted += 1
        connection.cut()

    def _sweep_later(self) -> None:
        if not self._sweeping:
            self._sweeping = True
            get_running_loop().call_later(_SWEEP_SECONDS, self._sweep)

    def _sweep(self) -> None:
        self._sweeping = False
        for connection in list(self._overdue()):
            connection.cut()
        if self._evicted:
            _log.warning("connections closed to make room", closed=self._evicted, open=len(self))
            self._evicted = 0
        if len(self):
            self._sweep_later()

    def _overdue(self) -> Iterator[Connection]:
        now = get_running_loop().time()
        for state, seconds in (
            (State.REQUEST, self.limits.request_seconds),
            (State.READER, self.limits.answer_seconds),
        ):
            overdue = takewhile(lambda entry, since=now - seconds: entry[1] <= since, self._waiting[state].items())  # type: ignore[misc]
            yield from (connection for connection, _ in overdue)


def open_files_for(connections: int) -> int:
    """Let this process open enough files for its connections.

    Returns:
        How many connections there is room for: fewer, where the system allows fewer files.
    """
    wanted = connections + _HEALTH_CONNECTIONS + _OTHER_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < allowed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    elif soft != resource.RLIM_INFINITY:
        allowed = min(wanted, soft)
    if allowed < wanted:
        connections = max(_FEWEST_CONNECTIONS, connections - (wanted - allowed))
        _log.warning("fewer connections than set, for the limit on open files", connections=connections, files=hard)
    return connections
