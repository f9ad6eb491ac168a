"""The table of open connections: what they wait for, and which of them are evicted at the limit."""

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
# Reserved above the limit on connections, for health checks only.
_HEALTH_CONNECTIONS = 16
# Open files that are not client connections: database, store, Temporal, files.
_OTHER_FILES = 256
_MIN_CONNECTIONS = 64

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class HttpLimits:
    """Limits on connections and requests.

    Attributes:
        connections: Maximum number of open connections. Above it, the one that has waited longest without a request
            is closed.
        head_bytes: Maximum size of a request's URL and headers together. Also the maximum size of everything that
            is in neither head nor body: sizes, extensions and trailers of chunks.
        url_bytes: Maximum size of the URL.
        headers: Maximum number of headers of a request.
        pipelined: Maximum number of requests that wait for an earlier answer on their connection.
        held_bytes: Maximum size of all incomplete requests together. Above it, the oldest of them are closed.
        request_seconds: Time from the opening of a connection, or from the first byte of a request, until the
            request must be complete.
        answer_seconds: Time for which a client may read nothing of an answer.
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

    REQUEST = "a complete request"
    ANSWER = "the API's answer"
    READER = "a client that reads its answer"
    NOTHING = "nothing: kept alive for another request"


# In the order of eviction.
_EVICTABLE_STATES = (State.REQUEST, State.READER, State.NOTHING)


class Connection(Protocol):
    """A connection, as the table sees it."""

    state: State | None
    held_bytes: int

    def cut(self) -> None:
        """Close the connection now."""


class ConnectionTable:
    """All connections of this server by state, longest wait first."""

    def __init__(self, limits: HttpLimits) -> None:
        self.limits = limits
        self._waiting: dict[State, dict[Connection, float]] = {state: {} for state in State}
        self._held_bytes = 0
        self._sweeping = False
        self._evicted = 0

    def __len__(self) -> int:
        """Return the number of open connections."""
        return sum(map(len, self._waiting.values()))

    def move(self, connection: Connection, state: State | None) -> None:
        """Record the new state of a connection. None means that it is closed."""
        if connection.state is state:
            return
        if connection.state is not None:
            self._waiting[connection.state].pop(connection, None)
        connection.state = state
        if state is not None:
            self._waiting[state][connection] = get_running_loop().time()
            self._sweep_later()

    def hold(self, connection: Connection, held_bytes: int) -> None:
        """Record how many bytes of an incomplete request a connection holds. Enforce the limit on their sum."""
        self._held_bytes += held_bytes - connection.held_bytes
        connection.held_bytes = held_bytes
        incomplete = self._waiting[State.REQUEST]
        while self._held_bytes > self.limits.held_bytes and incomplete:
            self._evict(next(iter(incomplete)))

    def make_room(self) -> bool:
        """Close the connection that has waited longest without a request, if the limit is reached.

        Returns:
            False if the limit is reached and all connections are being served.
        """
        if len(self) < self.limits.connections:
            return True
        oldest = next(
            (next(iter(waiting)) for state in _EVICTABLE_STATES if (waiting := self._waiting[state])), None
        )
        if oldest is None:
            return False
        self._evict(oldest)
        return True

    @property
    def is_full(self) -> bool:
        """Whether even the connections for health checks are in use."""
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
            # mypy cannot infer the type of a lambda with a default argument.
            overdue = takewhile(lambda entry, since=now - seconds: entry[1] <= since, self._waiting[state].items())  # type: ignore[misc]
            yield from (connection for connection, _ in overdue)


def open_files_for(connections: int) -> int:
    """Raise this process's limit on open files as far as its connections need.

    Returns:
        The number of connections that the limit allows: fewer if the system allows fewer files.
    """
    wanted = connections + _HEALTH_CONNECTIONS + _OTHER_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < allowed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    elif soft != resource.RLIM_INFINITY:
        allowed = min(wanted, soft)
    if allowed < wanted:
        connections = max(_MIN_CONNECTIONS, connections - (wanted - allowed))
        _log.warning(
            "fewer connections than configured because of the limit on open files",
            connections=connections,
            files=hard,
        )
    return connections
