"""Heartbeats while an activity waits, with the total working time of its attempts."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from temporalio import activity

_INTERVAL_SECONDS = 2.0
# Far below the heartbeat timeout. A cancellation arrives no later than before: the SDK holds back what would follow
# a heartbeat at the start for as long.
_FIRST_ATTEMPT_PAUSE_SECONDS = 5.0
# Temporal notices a dead worker no sooner than this, so each attempt counts for at least as long.
_MIN_ATTEMPT_SECONDS = 15.0


@asynccontextmanager
async def heartbeating(progress: Callable[[], int] = lambda: 0) -> AsyncIterator[None]:
    """Send heartbeats until the block ends. They also deliver cancellation.

    The court may take a minute to begin its response, so silence is not yet a stall: the adapters' own timeouts end
    a stall. A heartbeat says that this worker is alive, and for how long all attempts have worked.

    A first attempt that ends within five seconds sends none: most downloads are such, and each heartbeat is a
    request to Temporal and a write there. Later attempts send one at once, so that they count even if they kill
    their worker.

    Args:
        progress: Returns a number to show in the Temporal UI, such as the bytes read so far.
    """
    earlier_seconds, started_at = seconds_at_work(), time.monotonic()

    def beat() -> None:
        activity.heartbeat(progress(), earlier_seconds + max(time.monotonic() - started_at, _MIN_ATTEMPT_SECONDS))

    async def keep_beating() -> None:
        if activity.info().attempt == 1:
            await asyncio.sleep(_FIRST_ATTEMPT_PAUSE_SECONDS)
        while True:
            beat()
            await asyncio.sleep(_INTERVAL_SECONDS)

    heartbeats = asyncio.ensure_future(keep_beating())
    try:
        yield
    finally:
        heartbeats.cancel()


def seconds_at_work() -> float:
    """Return the working time of all earlier attempts of this activity, in seconds.

    The time in the task queue does not count: without a worker, nothing is tried.
    """
    details = activity.info().heartbeat_details
    # Attempts of an older version report only their progress.
    return float(details[1]) if len(details) > 1 else 0.0
