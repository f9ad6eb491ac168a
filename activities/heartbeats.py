"""Saying that an activity is alive while it waits for others, and how long its attempts have been at work."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from temporalio import activity

_BEAT_SECONDS = 2.0
# An attempt whose worker dies is noticed no sooner than this, so no attempt counts for less.
_LEAST_SECONDS = 15.0


@asynccontextmanager
async def heartbeating(progress: Callable[[], int] = lambda: 0) -> AsyncIterator[None]:
    """Send heartbeats for as long as the block lasts. They also bring cancellation.

    The court may take a minute to begin its answer, so silence is not yet a stall: the adapters' own timeouts end
    one. A heartbeat says that this worker lives, and for how long the attempts have been at work.

    Args:
        progress: Returns a number that people can watch in the Temporal UI, such as the bytes read so far.
    """
    before, begun = seconds_at_work(), time.monotonic()

    def beat() -> None:
        activity.heartbeat(progress(), before + max(time.monotonic() - begun, _LEAST_SECONDS))

    async def keep_beating() -> None:
        while True:
            beat()
            await asyncio.sleep(_BEAT_SECONDS)

    beating = asyncio.ensure_future(keep_beating())
    try:
        yield
    finally:
        beating.cancel()


def seconds_at_work() -> float:
    """Return for how long earlier attempts of this activity were at work, in seconds.

    The time that an attempt waits in its task queue does not count: while no worker is there, nothing is tried.
    """
    details = activity.info().heartbeat_details
    # Attempts of an older version tell their progress alone.
    return float(details[1]) if len(details) > 1 else 0.0
