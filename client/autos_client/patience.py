"""How long requests outlive an API, or a store, that does not answer."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from autos_client.errors import RateLimited, Unavailable

# Without patience, a request has this many attempts.
MAX_ATTEMPTS = 4
_MAX_BACKOFF_SECONDS = 10.0
_MAX_SLEEP_SECONDS = 60.0
# Failures that are further apart belong to two outages.
_SECONDS_BETWEEN_OUTAGES = 2 * _MAX_SLEEP_SECONDS


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


class Patience:
    """How long to try again. Shared by concurrent requests, so that an outage is reported once. Thread-safe.

    Every request has a few attempts anyway, within seconds. After those it is tried again, with growing delays of
    at most ten seconds or what ``Retry-After`` asks for, until it has failed for ``seconds``, or nothing at all was
    answered for so long.

    Args:
        seconds: The time without an answer after which a request fails. 0 means the few attempts only.
        on_outage: Called once at the beginning of each outage, maybe in another thread.
        on_recovery: Called once at the end of each outage that ``on_outage`` was called for.
    """

    def __init__(
        self,
        seconds: float = 0.0,
        *,
        on_outage: Callable[[Outage], None] | None = None,
        on_recovery: Callable[[Party], None] | None = None,
    ) -> None:
        self.seconds = seconds
        self._on_outage = on_outage
        self._on_recovery = on_recovery
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
        asked = problem.retry_after
        delay = asked if asked is not None else backoff_seconds(self._failed_attempts)
        if self._failed_attempts < MAX_ATTEMPTS and delay <= _MAX_SLEEP_SECONDS:
            return delay
        if not may_be_outage:
            return None
        left = self._patience.seconds - (now - min(self._failed_since, outage_began_at))
        return min(delay, left) if left > 0 else None

    def answered(self) -> None:
        """End the outage, if there was one."""
        self._failed_attempts, self._failed_since = 0, None
        self._patience._note_answer(self._party)


def patience_of(given: float | Patience | None, default: Patience | None = None) -> Patience:
    """Return the patience that a caller means: seconds, one of its own, or the default."""
    if isinstance(given, Patience):
        return given
    return default if given is None and default is not None else Patience(given or 0.0)


def backoff_seconds(failed_attempts: int) -> float:
    """Return the seconds to wait after this many failed attempts: exponential, at most 10."""
    return float(min(0.125 * 2 ** min(failed_attempts, 10), _MAX_BACKOFF_SECONDS))
