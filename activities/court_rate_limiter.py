"""The rate limiter of one worker's requests to the court: its share of the whole deployment's rate."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TYPE_CHECKING

import structlog

from domain.errors import DependencyUnavailable

if TYPE_CHECKING:
    from adapters.database.court_rate_limit import CourtRateLimitRepository

# A request is sent within this time after its slot, or takes another slot. So a worker that was stalled does not
# catch up in a burst.
_MAX_LATENESS_SECONDS = 0.4
# Slots are this much slower than the rate, so that no ten seconds see more than ten times the rate although
# requests may be late: 0.94 x (10 s + 0.4 s) is below 10 s, with a margin of 0.2 s for requests that are late in
# the network.
_SHARE_OF_RATE = 0.94
# At a high rate, a worker reserves the slots of this time span in one transaction.
_BATCH_SECONDS = 0.05
# How long a worker uses the operator's rate before it reads it again.
_RATE_CACHE_SECONDS = 2.0
_RETRY_SECONDS = 0.5

_log = structlog.get_logger()


class CourtRateLimiter:
    """GCRA rate limiter of all requests to the court. All workers share its state, one row of the catalog.

    The requests of this worker get their slots first come, first served. All waiting requests reserve their slots
    in one transaction, and a busy worker reserves some in advance, so that a high rate costs few transactions, and
    requests that begin together, because those before ended together, do not wait for one.

    Args:
        slots: Reserves slots for all workers.
        requests_per_second: The rate of the whole deployment, unless the operator has set another one.
        read_operators_rate: Returns the rate that the operator has set while the service runs. None if there is
            none. Zero stops all requests: `acquire` raises, so that the activity waits in its task queue.
    """

    def __init__(
        self,
        slots: CourtRateLimitRepository,
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
        self._used_since_reservation = 0
        self._in_advance: asyncio.Task[None] | None = None

    async def close(self) -> None:
        """End what is still being reserved in advance."""
        if self._in_advance is not None:
            self._in_advance.cancel()
            await asyncio.wait([self._in_advance])

    async def acquire(self) -> None:
        """Wait for a slot. The caller sends one request as soon as this returns.

        Raises:
            DependencyUnavailable: The database does not answer, or the operator has stopped all requests.
        """
        while True:
            slot = await self._next_slot()
            # A sleep of nothing would let all others have their turn first.
            if (left := slot - time.monotonic()) > 0:
                await asyncio.sleep(left)
            if time.monotonic() - slot <= _MAX_LATENESS_SECONDS:
                return

    async def _next_slot(self) -> float:
        """Return the next slot of this worker, in seconds of the monotonic clock."""
        self._waiting += 1
        try:
            async with self._lock:
                self._drop_late()
                while not self._reserved:
                    await self._read_rate()
                    if not await self._reserve():
                        await asyncio.sleep(_RETRY_SECONDS)
                self._used_since_reservation += 1
                slot = self._reserved.popleft()
        finally:
            self._waiting -= 1
        is_idle = self._in_advance is None or self._in_advance.done()
        if is_idle and self._batch_size() > 1 and self._will_soon_be_late():
            self._in_advance = asyncio.create_task(self._reserve_in_advance())
        return slot

    def _drop_late(self) -> None:
        while self._reserved and time.monotonic() - self._reserved[0] > _MAX_LATENESS_SECONDS:
            self._reserved.popleft()

    def _will_soon_be_late(self) -> bool:
        return not self._reserved or time.monotonic() - self._reserved[-1] > _MAX_LATENESS_SECONDS / 2

    async def _reserve_in_advance(self) -> None:
        async with self._lock:
            # Others may have reserved some meanwhile. A request that finds none learns itself what is wrong.
            if self._will_soon_be_late():
                with suppress(DependencyUnavailable):
                    await self._read_rate()
                    await self._reserve()

    def _batch_size(self) -> int:
        """Return how many slots may be reserved in one transaction, by the rate."""
        return max(int(_BATCH_SECONDS * self._rate * _SHARE_OF_RATE), 1)

    async def _reserve(self) -> bool:
        """Reserve slots for all waiting requests, and in advance if the last ones were used.

        Returns:
            False if no slot can be reserved now, because all workers together are too far ahead.
        """
        interval = 1 / (self._rate * _SHARE_OF_RATE)
        count = max(min(max(self._waiting, 2 * self._used_since_reservation), self._batch_size()), 1)
        wait = await self._repository.reserve(count, interval=interval)
        if wait is None:
            return False
        self._used_since_reservation = 0
        first = time.monotonic() + wait
        self._reserved.extend(first + index * interval for index in range(count))
        return True

    async def _read_rate(self) -> None:
        """Read the operator's rate if the cached one is too old.

        Raises:
            DependencyUnavailable: The rate is zero.
        """
        now = time.monotonic()
        is_fresh = self._rate_read_at is not None and now - self._rate_read_at <= _RATE_CACHE_SECONDS
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
