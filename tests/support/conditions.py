"""Polling until a condition holds."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

Result = TypeVar("Result")

# The pause grows: the tests share two cores with the services that they wait for.
_FIRST_PAUSE_SECONDS = 0.05
_LONGEST_PAUSE_SECONDS = 0.4


async def eventually(
    attempt: Callable[[], Awaitable[Result | None]], what: str, *, seconds: float = 30.0
) -> Result:
    """Call `attempt` until its result is truthy, and return the result.

    Args:
        attempt: what is polled.
        what: what is waited for, for the message of the failure.
        seconds: how long to wait before failing.
    """
    deadline = time.monotonic() + seconds
    pause = _FIRST_PAUSE_SECONDS
    while True:
        result = await attempt()
        if result:
            return result
        assert time.monotonic() < deadline, f"never: {what}"
        await asyncio.sleep(pause)
        pause = min(1.2 * pause, _LONGEST_PAUSE_SECONDS)


def eventually_sync(check: Callable[[], bool], what: str, *, seconds: float = 60.0) -> None:
    """Call `check` until it returns true, without an event loop."""
    deadline = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < deadline, f"{what}: not within {seconds} s"
        time.sleep(0.01)
