"""Streams of server-sent events that outlive their connections, without I/O."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Generic, TypeVar

from autos_client import requests
from autos_client.errors import RateLimited, Unavailable, UnexpectedAnswer
from autos_client.models import Status
from autos_client.patience import MAX_ATTEMPTS
from autos_client.requests import Answer, Call
from autos_client.sse import EventParser
from autos_client.waits import MAX_WAIT_SECONDS, backoff_seconds, with_jitter

T = TypeVar("T")

# Streams in a row that end soon and without an event.
_MAX_EMPTY_STREAMS = 20
_EMPTY_STREAM_SECONDS = 5.0


class StatusStream(Generic[T]):
    """A stream of states (server-sent events), over as many connections as it takes."""

    def __init__(self, connect: Callable[[str], Call[None]], read_state: Callable[[str], T]) -> None:
        """Start from the current state.

        Args:
            connect: Returns the request for the stream after the event with an id. Empty means from the start.
            read_state: Parses the state in the data of an event.
        """
        self._connect = connect
        self._read_state = read_state
        self._parser = EventParser()
        self._last_id = ""
        self._failed_attempts = 0
        self._is_over = False
        self._opened_at = 0.0
        self._empty_streams = 0

    def call(self) -> Call[None]:
        """Return the request for the stream, resumed after the last event (``Last-Event-ID``)."""
        self._parser = EventParser()
        return self._connect(self._last_id)

    def is_over(self) -> bool:
        """Whether the last state has come."""
        return self._is_over

    def opened(self, answer: Answer) -> None:
        """Check the answer before its stream is read.

        Raises:
            AutosError: The API refused.
        """
        self._opened_at = time.monotonic()
        if answer.status == 204:
            self._is_over = True
        elif answer.status != 200:
            raise answer.problem()
        elif not answer.headers.get("content-type", "").startswith("text/event-stream"):
            raise UnexpectedAnswer("The answer is no stream of events.")

    def feed(self, piece: bytes) -> list[T]:
        """Return the states that are complete with these bytes."""
        states = []
        for event in self._parser.feed(piece):
            self._last_id, self._failed_attempts, self._empty_streams = event.id, 0, 0
            if event.type in ("progress", "ended"):
                states.append(self._read_state(event.data))
                self._is_over = self._is_over or event.type == "ended"
        return states

    def reconnect_delay(self, problem: Unavailable | RateLimited | None) -> float:
        """Return the seconds to wait before the next connection.

        Args:
            problem: What broke the connection. ``None`` if the stream ended normally.

        Raises:
            ApiProblem: Too many attempts have failed.
            UnexpectedAnswer: Too many streams have ended at once, without an event.
        """
        self._failed_attempts += 1
        if problem is None:
            ended_at_once = time.monotonic() - self._opened_at < _EMPTY_STREAM_SECONDS
            self._empty_streams = self._empty_streams + 1 if ended_at_once else 0
            if self._empty_streams > _MAX_EMPTY_STREAMS:
                raise UnexpectedAnswer("The streams of events end without an event.")
        if problem is not None and self._failed_attempts >= MAX_ATTEMPTS:
            raise problem
        if problem is not None and problem.retry_after is not None:
            return with_jitter(min(problem.retry_after, MAX_WAIT_SECONDS))
        asked = min(self._parser.retry_seconds or 0.0, MAX_WAIT_SECONDS)
        return max(backoff_seconds(self._failed_attempts), with_jitter(asked))


def status_stream(number: str) -> StatusStream[Status]:
    """Return the stream of a process's status."""
    return StatusStream(lambda last_id: requests.events(number, last_id), requests.read_status)
