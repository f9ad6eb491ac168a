"""What holds requests to the court back until they may be sent."""

from __future__ import annotations

from typing import Protocol


class Pace(Protocol):
    """A rate limiter. Each request to the court takes one slot of it, immediately before it is sent."""

    async def take(self) -> None:
        """Return when one request may be sent, at once.

        Raises:
            DependencyUnavailable: Nobody can tell when. Nothing is to be sent.
        """
