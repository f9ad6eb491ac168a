"""The court's request statistics."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable
from typing import Any

from simulator.requests import Target

_MAX_ARRIVALS = 10_000


class _BusiestWindow:
    """The highest number of requests in any sliding window of ``seconds``."""

    def __init__(self, seconds: float) -> None:
        self.maximum = 0
        self._seconds = seconds
        self._recent: deque[float] = deque()

    def add(self, now: float) -> None:
        recent = self._recent
        recent.append(now)
        while recent[0] <= now - self._seconds:
            recent.popleft()
        self.maximum = max(self.maximum, len(recent))


class Stats:
    """Counts of requests to the court. Control requests are not counted, sign-ins only in ``refreshes``."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._in_flight = 0
        self.reset()

    def reset(self) -> None:
        """Reset the counts to zero, except for requests in flight."""
        self._requests = 0
        self._listings = 0
        self._documents_served: Counter[str] = Counter()
        self._max_concurrent = self._in_flight
        self._tokens_refused = 0
        self._refreshes = 0
        self._second = _BusiestWindow(1.0)
        self._ten_seconds = _BusiestWindow(10.0)
        self._started_at = self._clock()
        self._arrivals: deque[tuple[float, Target]] = deque(maxlen=_MAX_ARRIVALS)

    def request_started(self, target: Target) -> None:
        """Count a request. ``request_ended`` must follow."""
        now = self._clock()
        self._arrivals.append((now, target))
        self._second.add(now)
        self._ten_seconds.add(now)
        self._requests += 1
        self._in_flight += 1
        self._max_concurrent = max(self._max_concurrent, self._in_flight)

    def request_ended(self) -> None:
        """Count the end of a request, successful or not."""
        self._in_flight -= 1

    def listing_sent(self) -> None:
        """Count a listing that was sent."""
        self._listings += 1

    def document_served(self, document_id: str) -> None:
        """Count a document that was sent completely."""
        self._documents_served[document_id] += 1

    def token_refused(self) -> None:
        """Count a request whose token was refused."""
        self._tokens_refused += 1

    def refresh_requested(self) -> None:
        """Count a request to the sign-in server, successful or not."""
        self._refreshes += 1

    def snapshot(self) -> dict[str, Any]:
        """Return the counts, as in the response of ``GET /_simulator/stats``."""
        return {
            "requests": self._requests,
            "listings": self._listings,
            "documents_served": dict(self._documents_served),
            "max_concurrent": self._max_concurrent,
            "max_per_second": self._second.maximum,
            "max_per_ten_seconds": self._ten_seconds.maximum,
            "tokens_refused": self._tokens_refused,
            "refreshes": self._refreshes,
            "arrivals": [(round(at - self._started_at, 3), target) for at, target in self._arrivals],
        }
