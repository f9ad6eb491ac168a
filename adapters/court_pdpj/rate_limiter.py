"""The rate limiter that every request to the court waits for."""

from __future__ import annotations

from typing import Protocol


class RequestRateLimiter(Protocol):
    """A rate limiter. Each request to the court takes one of its slots, immediately before it is sent."""

    async def acquire(self) -> None:
        """Wait for a slot. The caller sends one request as soon as this returns.

        Raises:
            DependencyUnavailable: It is not known when a request may be sent. None may be sent now.
        """
