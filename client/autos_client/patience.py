"""How long requests outlive an API, or a store, that does not answer."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from autos_client.errors import RateLimited, Unavailable
from autos_client.waits import MAX_WAIT_SECONDS, backoff_seconds, with_jitter

# Without patience, a request has this many attempts.
MAX_ATTEMPTS = 4
# Failures that are further apart belong to two outages.
_SECONDS_BETWEEN_OUTAGES = 2 * MAX_WAIT_SECONDS
# A shorter wait is not reported.
_REPORTED_WAIT_SECONDS = 5.0


class Party(StrEnum):
    """Who does not answer."""

    API = "api"
    STORE = "store"


@dataclass(frozen=True, slots=True)
class Outage:
    """A time in which the API or the store does not answer.

    Attributes:
        reason: What the last request failed with, in short.
        seconds_left: How long requests are tried again, unless something is answered before.
    """

    party: Party
    reason: str
    seconds_left: float


@dataclass(frozen=True, slots=True)
class Wait:
    """A wait that the API asked for (``Retry-After``).

    Attributes:
        reason: What the request was refused with, in short.
        seconds: How long the client waits, which may be less than what was asked.
    """

    party: Party
    reason: str
    seconds: float


class Patience:
    """How long to try again. Shared by concurrent requests, so that an outage is reported once. Thread-safe.

    Every request has a few attempts anyway, within seconds. After those it is tried again, with growing delays of
    about ten seconds at most or what ``Retry-After`` asks for, until it has failed for ``seconds``, or nothing at
    all was answered for so long. No server has a request wait for longer than that.

    Args:
        seconds: The time without an answer after which a request fails. 0 means the few attempts only, whatever the
            server asks. ``None`` means the few attempts, each up to a minute later if the server asks.
        on_outage: Called once at the beginning of each outage, maybe in another thread.
        on_recovery: Called once at the end of each outage that ``on_outage`` was called for.
        on_wait: Called before a wait of some seconds that the API asked for, once for all requests that wait.
    """

    def __init__(
        self,
        seconds: float | None = None,
        *,
        on_outage: Callable[[Outage], None] | None = None,
        on_recovery: Callable[[Party], None] | None = None,
        on_wait: Callable[[Wait], None] | None = None,
    ) -> None:
        self.seconds = seconds or 0.0
        # Without seconds, the server decides within limits.
        self._asked_at_most = MAX_WAIT_SECONDS if seconds is None else 0.0
        self._on_outage = on_outage
        self._on_recovery = on_recovery
        self._on_wait = on_wait
        self._reported_wait_ends_at = 0.0
        self._lock = threading.Lock()
        self._outages: dict[Party, _OpenOutage] = {}

    def _note_failure(self, party: Party, problem: Unavailable | RateLimited, failed_attempts: int) -> float:
        """Take note of a failure, and return when the party was first found not answering."""
        now = time.monotonic()
        with self._lock:
            outage = self._outages.get(party)
            if outage is None or now - outage.last_failure_at > _SECONDS_BETWEEN_OUTAGES:
                outage = self._outages[party] = _OpenOutage(now, now)
            outage.last_failure_at = now
            # The first retry repairs a connection that was only idle for too long. Who limits rates does answer.
            is_new = failed_attempts > 1 and isinstance(problem, Unavailable) and not outage.is_reported
            if is_new and self.seconds > 0:
                outage.is_reported = True
                if self._on_outage:
                    left = self.seconds - (now - outage.began_at)
                    self._on_outage(Outage(party, problem.reason, max(left, 0.0)))
            return outage.began_at

    def _note_wait(self, party: Party, problem: Unavailable | RateLimited, seconds: float) -> None:
        now = time.monotonic()
        with self._lock:
            if self._on_wait and seconds >= _REPORTED_WAIT_SECONDS and now >= self._reported_wait_ends_at:
                self._reported_wait_ends_at = now + seconds
                self._on_wait(Wait(party, problem.reason, seconds))

    def _note_answer(self, party: Party) -> None:
        with self._lock:
            outage = self._outages.pop(party, None)
            if outage and outage.is_reported and self._on_recovery:
                self._on_recovery(party)


@dataclass(slots=True)
class _OpenOutage:
    began_at: float
    last_failure_at: float
    is_reported: bool = False


class Retries:
    """The retries of one request.

    Args:
        patience: How long to try again after the usual attempts.
        party: Who is asked.
    """

    def __init__(self, patience: Patience, party: Party = Party.API) -> None:
        """Start before the first attempt."""
        self._patience = patience
        self._party = party
        self._failed_attempts = 0
        self._failed_since: float | None = None

    def delay_after(self, problem: Unavailable | RateLimited, *, may_be_outage: bool = True) -> float | None:
        """Return the seconds to wait before the next attempt. ``None`` means to give up.

        Args:
            problem: What the last attempt failed with.
            may_be_outage: ``False`` for a failure that patience does not help against.
        """
        self._failed_attempts += 1
        now = time.monotonic()
        self._failed_since = now if self._failed_since is None else self._failed_since
        outage_began_at = now
        if may_be_outage:
            outage_began_at = self._patience._note_failure(self._party, problem, self._failed_attempts)
        delay, asked = backoff_seconds(self._failed_attempts), problem.retry_after or 0.0
        is_asked = asked > delay
        if is_asked:
            delay = with_jitter(asked)
        may_wait = not is_asked or asked <= self._patience._asked_at_most
        if self._failed_attempts >= MAX_ATTEMPTS or not may_wait:
            left = self._patience.seconds - (now - min(self._failed_since, outage_began_at))
            if left <= 0 or not may_be_outage:
                return None
            delay = min(delay, left)
        if is_asked:
            self._patience._note_wait(self._party, problem, delay)
        return delay

    def answered(self) -> None:
        """End the outage, if there was one."""
        self._failed_attempts, self._failed_since = 0, None
        self._patience._note_answer(self._party)


def patience_of(given: float | Patience | None, default: Patience | None = None) -> Patience:
    """Return the patience that a caller means: seconds, one of its own, or the default."""
    if isinstance(given, Patience):
        return given
    return default if given is None and default is not None else Patience(given)
