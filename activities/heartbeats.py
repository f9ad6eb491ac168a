"""Saying that an activity is alive while it waits for others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from temporalio import activity

_BEAT_SECONDS = 2.0


@asynccontextmanager
async def heartbeating(progress: Callable[[], int] = lambda: 0) -> AsyncIterator[None]:
    """Beat for as long as the block lasts; the beats also bring cancellation.

    The court may take a minute to begin its answer, so silence is not yet a stall: the adapters' own time-outs end
    one. What the beats tell is that this worker lives.

    Args:
        progress: a number that people can watch in the Temporal UI, such as the bytes read so far.
    """
    beating = asyncio.ensure_future(_beat(progress))
    try:
        yield
    finally:
        beating.cancel()


async def _beat(progress: Callable[[], int]) -> None:
    while True:
        await asyncio.sleep(_BEAT_SECONDS)
        activity.heartbeat(progress())
