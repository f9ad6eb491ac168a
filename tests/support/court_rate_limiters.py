"""A rate limiter for the court adapter that never waits."""

from __future__ import annotations


class CountingRateLimiter:
    """A rate limiter that admits every request at once and counts them."""

    def __init__(self) -> None:
        self.taken = 0

    async def acquire(self) -> None:
        """Count one request."""
        self.taken += 1
