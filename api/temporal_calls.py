"""Calls to Temporal that never last long, and what their failures mean to those who ask."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from temporalio.client import WorkflowUpdateRPCTimeoutOrCancelledError
from temporalio.service import RPCError, RPCStatusCode

from domain.errors import DependencyUnavailable

CALL_TIMEOUT = timedelta(seconds=2)
TOTAL_TIMEOUT_SECONDS = 2.5
LONGEST_WAIT_SECONDS = 10.0


@asynccontextmanager
async def bounded(seconds: float | None = None, *, of_a_run: bool = False) -> AsyncIterator[None]:
    """Never wait long: the SDK tries a call again while Temporal is away.

    Args:
        seconds: for all calls of the block together; two and a half unless given.
        of_a_run: the calls name a run, which may be gone: that is for the caller to make sense of. Else what is not
            found is Temporal's namespace.

    Raises:
        DependencyUnavailable: Temporal does not answer, or not in time.
    """
    try:
        async with asyncio.timeout(TOTAL_TIMEOUT_SECONDS if seconds is None else seconds):
            yield
    except WorkflowUpdateRPCTimeoutOrCancelledError:
        raise DependencyUnavailable("temporal", "No worker has answered; it may still be done.") from None
    except (TimeoutError, RPCError, RuntimeError) as error:
        if of_a_run and isinstance(error, RPCError) and is_gone(error):
            raise
        if isinstance(error, RPCError) and _lacks_search_attributes(error):
            raise DependencyUnavailable(
                "temporal", "Temporal does not know our search attributes: run `autos migrate`."
            ) from None
        # RuntimeError is what a lazily connecting client raises when it cannot connect.
        reason = error.status.name if isinstance(error, RPCError) else type(error).__name__
        raise DependencyUnavailable("temporal", f"Temporal does not answer ({reason}).") from None


def _lacks_search_attributes(error: RPCError) -> bool:
    # The status alone also means a workflow that has had too many signals, for one.
    return error.status is RPCStatusCode.INVALID_ARGUMENT and "search attribute" in error.message.lower()


class Turns:
    """So many at once, the others in their order.

    Who has waited behind one that Temporal did not answer is told the same, and does not try again: else the last
    would be answered after as many time-outs as there are ahead of it.

    Args:
        at_once: how many.
        longest_seconds: how long one waits for its turn.
    """

    def __init__(self, at_once: int, *, longest_seconds: float = LONGEST_WAIT_SECONDS) -> None:
        self._longest_seconds = longest_seconds
        self._places = asyncio.Semaphore(at_once)
        self._failure: DependencyUnavailable | None = None

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Be one of those for as long as the block lasts.

        Raises:
            DependencyUnavailable: one that was ahead has met it meanwhile, or there are too many ahead.
        """
        known = self._failure
        try:
            async with asyncio.timeout(self._longest_seconds):
                await self._places.acquire()
        except TimeoutError:
            raise DependencyUnavailable("temporal", "Too many runs are asked for at once.") from None
        try:
            if self._failure is not None and self._failure is not known:
                raise DependencyUnavailable(self._failure.dependency, str(self._failure))
            yield
        except DependencyUnavailable as error:
            # One that is not raised: a trace would keep what waits alive.
            self._failure = DependencyUnavailable(error.dependency, str(error))
            raise
        finally:
            self._places.release()


def is_gone(error: RPCError) -> bool:
    """Whether Temporal has no such run open."""
    return error.status is RPCStatusCode.NOT_FOUND
