"""The pace at which one worker sends requests to the court: its share of the whole deployment's rate."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import structlog

from domain.errors import DependencyUnavailable

if TYPE_CHECKING:
    from adapters.database.court_pace import CourtPaceRepository

# A request goes out within this time of its slot, or takes another slot. So a worker that stood still does not
# catch up in a burst.
_LATEST_SECONDS = 0.25
# Slots come this much slower than the rate, so that no ten seconds see more than ten times the rate although
# requests may be late: 0.94 x (10 s + 0.25 s) is below 10 s, with room for what is late on its way to the court.
_SHARE_OF_RATE = 0.94
# Where the rate is high, a worker reserves slots of so many seconds in one transaction.
_BATCH_SECONDS = 0.05
# How long nobody looks whether the operator has set another rate.
_RATE_FRESH_SECONDS = 2.0
_LOOK_AGAIN_SECONDS = 0.5

_log = structlog.get_logger()


class CourtPace:
    """Rate limiter of every request to the court, in front of the deployment's one row in the catalog.

    Requests of this worker are served in the order in which they come. All that wait reserve their slots in one
    transaction, and a busy worker some more, so that a high rate costs few transactions.

    Args:
        slots: Gives out slots to all workers.
        requests_per_second: The rate of the whole deployment, unless the operator has set another one.
        read_operators_rate: Reads the rate that the operator has set while the service runs, None if there is none.
            Zero stops all requests: whoever takes a slot is refused, so that it waits in its task queue.
    """

    def __init__(
        self,
        slots: CourtPaceRepository,
        requests_per_second: float,
        read_operators_rate: Callable[[], Awaitable[float | None]],
    ) -> None:
        self._repository = slots
        self._configured_rate = requests_per_second
        self._read_operators_rate = read_operators_rate
        self._rate = requests_per_second
        self._rate_read_at: float | None = None
        self._lock = asyncio.Lock()
        self._reserved: deque[float] = deque()
        self._waiting = 0
        self._taken_since_reservation = 0

    async def take(self) -> None:
        """Return when one request may be sent.

        Raises:
            DependencyUnavailable: The database does not answer, or the operator has stopped all requests.
        """
        while True:
            slot = await self._next_slot()
            await asyncio.sleep(slot - time.monotonic())
            if time.monotonic() - slot <= _LATEST_SECONDS:
                return

    async def _next_slot(self) -> float:
        """Return the next slot of this worker, in seconds of the monotonic clock."""
        self._waiting += 1
        try:
            async with self._lock:
                while self._reserved and time.monotonic() - self._reserved[0] > _LATEST_SECONDS:
                    self._reserved.popleft()
                while not self._reserved:
                    await self._read_rate()
                    if not await self._reserve():
                        await asyncio.sleep(_LOOK_AGAIN_SECONDS)
                self._taken_since_reservation += 1
                return self._reserved.popleft()
        finally:
            self._waiting -= 1

    async def _reserve(self) -> bool:
        """Reserve slots for all that wait, and in advance for a worker that used what it had. Returns whether."""
        interval = 1 / (self._rate * _SHARE_OF_RATE)
        most = max(int(_BATCH_SECONDS / interval), 1)
        count = max(min(self._waiting, most), min(2 * self._taken_since_reservation, most))
        wait = await self._repository.reserve(count, interval=interval)
        if wait is None:
            return False
        self._taken_since_reservation = 0
        first = time.monotonic() + wait
        self._reserved.extend(first + place * interval for place in range(count))
        return True

    async def _read_rate(self) -> None:
        """Read the rate again if it is time.

        Raises:
            DependencyUnavailable: It is zero.
        """
        now = time.monotonic()
        is_fresh = self._rate_read_at is not None and now - self._rate_read_at <= _RATE_FRESH_SECONDS
        if self._rate > 0 and is_fresh:
            return
        self._rate_read_at = now
        await self._update_rate()
        if self._rate <= 0:
            raise DependencyUnavailable("temporal", "An operator has stopped all requests to the court.")

    async def _update_rate(self) -> None:
        try:
            set_by_operator = await self._read_operators_rate()
        except DependencyUnavailable as error:
            _log.warning("court rate not read", detail=str(error), requests_per_second=self._rate)
            return
        rate = self._configured_rate if set_by_operator is None else set_by_operator
        if rate != self._rate:
            _log.info("court rate changed", requests_per_second=rate, was=self._rate)
            self._rate = rate
