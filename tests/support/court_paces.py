"""A pace for the court adapter, given in a test."""

from __future__ import annotations


class CountingPace:
    """Lets every request go at once, and counts them."""

    def __init__(self) -> None:
        self.taken = 0

    async def take(self) -> None:
        """Count one request."""
        self.taken += 1
