"""A semaphore for calls to a dependency that may not answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from domain.errors import DependencyUnavailable

LONGEST_WAIT_SECONDS = 10.0


class FairSemaphore:
    """A first-in, first-out semaphore whose waiters share the failure of the one before them.

    A caller that waited behind a call that Temporal did not answer fails with the same error and does not try for
    itself. Otherwise the last caller of a queue would be answered only after one timeout for each caller before it.

    Args:
        size: How many callers hold a slot at the same time.
        longest_seconds: How long a caller waits for its slot.
    """

    def __init__(self, size: int, *, longest_seconds: float = LONGEST_WAIT_SECONDS) -> None:
        self._longest_seconds = longest_seconds
        self._slots = asyncio.Semaphore(size)
        self._failure: DependencyUnavailable | None = None

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """Hold a slot for the duration of the block.

        Raises:
            DependencyUnavailable: A caller ahead in the queue has failed with it, or the queue is too long.
        """
        failure_before = self._failure
        try:
            async with asyncio.timeout(self._longest_seconds):
                await self._slots.acquire()
        except TimeoutError:
            raise DependencyUnavailable("temporal", "Too many runs are asked for at once.") from None
        try:
            if self._failure is not None and self._failure is not failure_before:
                raise DependencyUnavailable(self._failure.dependency, str(self._failure))
            yield
        except DependencyUnavailable as error:
            # A copy that was never raised: a traceback would keep the caller's frames alive.
            self._failure = DependencyUnavailable(error.dependency, str(error))
            raise
        finally:
            self._slots.release()
