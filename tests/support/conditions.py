"""Waiting for what must become true."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

Found = TypeVar("Found")


async def eventually(attempt: Callable[[], Awaitable[Found | None]], what: str, *, seconds: float = 30.0) -> Found:
    """Ask until the answer is truthy, and give it back; a failure names what never came."""
    deadline = time.monotonic() + seconds
    while True:
        found = await attempt()
        if found:
            return found
        assert time.monotonic() < deadline, f"never: {what}"
        await asyncio.sleep(0.1)
