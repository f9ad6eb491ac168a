"""What the court saw of its clients."""

from __future__ import annotations

import time
from collections import Counter, deque
from typing import Any

_WINDOW_SECONDS = 1.0


class Stats:
    """Counts of the court's own paths; control and sign-in are not counted."""

    def __init__(self) -> None:
        self._in_flight = 0
        self.reset()

    def reset(self) -> None:
        """Count from zero; requests in flight stay in flight."""
        self._requests = 0
        self._listings = 0
        self._documents_served: Counter[str] = Counter()
        self._max_concurrent = self._in_flight
        self._recent: deque[float] = deque()
        self._max_per_second = 0

    def begin(self) -> None:
        """A request arrived. Its ``end`` must follow."""
        now = time.monotonic()
        self._requests += 1
        self._in_flight += 1
        self._max_concurrent = max(self._max_concurrent, self._in_flight)
        recent = self._recent
        recent.append(now)
        while recent[0] <= now - _WINDOW_SECONDS:
            recent.popleft()
        self._max_per_second = max(self._max_per_second, len(recent))

    def end(self) -> None:
        """The request is over, however it ended."""
        self._in_flight -= 1

    def listed(self) -> None:
        """A listing was sent."""
        self._listings += 1

    def served(self, document_id: str) -> None:
        """A document was sent from its first byte to its last."""
        self._documents_served[document_id] += 1

    def snapshot(self) -> dict[str, Any]:
        """The counts, as ``GET /_simulator/stats`` answers them."""
        return {
            "requests": self._requests,
            "listings": self._listings,
            "documents_served": dict(self._documents_served),
            "max_concurrent": self._max_concurrent,
            "max_per_second": self._max_per_second,
        }
