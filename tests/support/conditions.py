"""Waiting for what must become true."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

Found = TypeVar("Found")

# What takes long is asked less often: the tests share two cores with what they wait for.
_FIRST_PAUSE_SECONDS = 0.05
_LONGEST_PAUSE_SECONDS = 0.4


async def eventually(attempt: Callable[[], Awaitable[Found | None]], what: str, *, seconds: float = 30.0) -> Found:
    """Ask until the answer is truthy, and give it back; a failure names what never came."""
    deadline = time.monotonic() + seconds
    pause = _FIRST_PAUSE_SECONDS
    while True:
        found = await attempt()
        if found:
            return found
        assert time.monotonic() < deadline, f"never: {what}"
        await asyncio.sleep(pause)
        pause = min(1.2 * pause, _LONGEST_PAUSE_SECONDS)


def eventually_sync(check: Callable[[], bool], what: str, *, seconds: float = 10.0) -> None:
    """Wait until a condition holds, without a loop."""
    deadline = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < deadline, f"{what}: not within {seconds} s"
        time.sleep(0.01)
