"""What the court saw of its clients."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable
from typing import Any

from simulator.calls import Target

_MOST_ARRIVALS = 10_000


class _Busiest:
    """The most requests that ever arrived within so many seconds."""

    def __init__(self, seconds: float) -> None:
        self.most = 0
        self._seconds = seconds
        self._recent: deque[float] = deque()

    def arrived(self, now: float) -> None:
        recent = self._recent
        recent.append(now)
        while recent[0] <= now - self._seconds:
            recent.popleft()
        self.most = max(self.most, len(recent))


class Stats:
    """Counts of the court's own paths. Control is not counted; of signing in, only how often it was asked for."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._in_flight = 0
        self.reset()

    def reset(self) -> None:
        """Count from zero; requests in flight stay in flight."""
        self._requests = 0
        self._listings = 0
        self._documents_served: Counter[str] = Counter()
        self._max_concurrent = self._in_flight
        self._tokens_refused = 0
        self._refreshes = 0
        self._second = _Busiest(1.0)
        self._ten_seconds = _Busiest(10.0)
        self._since = self._clock()
        self._arrivals: deque[tuple[float, Target]] = deque(maxlen=_MOST_ARRIVALS)

    def begin(self, target: Target) -> None:
        """A request arrived. Its ``end`` must follow."""
        now = self._clock()
        self._arrivals.append((now, target))
        self._second.arrived(now)
        self._ten_seconds.arrived(now)
        self._requests += 1
        self._in_flight += 1
        self._max_concurrent = max(self._max_concurrent, self._in_flight)

    def end(self) -> None:
        """The request is over, however it ended."""
        self._in_flight -= 1

    def listed(self) -> None:
        """A listing was sent."""
        self._listings += 1

    def served(self, document_id: str) -> None:
        """A document was sent from its first byte to its last."""
        self._documents_served[document_id] += 1

    def token_refused(self) -> None:
        """A request was answered that its token is no good."""
        self._tokens_refused += 1

    def refreshed(self) -> None:
        """The sign-in server was asked for tokens, whatever it answered."""
        self._refreshes += 1

    def snapshot(self) -> dict[str, Any]:
        """The counts, as ``GET /_simulator/stats`` answers them."""
        return {
            "requests": self._requests,
            "listings": self._listings,
            "documents_served": dict(self._documents_served),
            "max_concurrent": self._max_concurrent,
            "max_per_second": self._second.most,
            "max_per_ten_seconds": self._ten_seconds.most,
            "tokens_refused": self._tokens_refused,
            "refreshes": self._refreshes,
            "arrivals": [(round(at - self._since, 3), target) for at, target in self._arrivals],
        }
