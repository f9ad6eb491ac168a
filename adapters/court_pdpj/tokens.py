"""Where the client gets its bearer tokens."""

from __future__ import annotations

from typing import Protocol


class Tokens(Protocol):
    """The tokens that the client sends; another may take the place of one while requests are under way."""

    async def current(self) -> str | None:
        """The token to send now, or none.

        Raises:
            CourtFailure: nothing is to be sent at all.
        """

    async def replacement(self, rejected: str | None) -> str | None:
        """Another token than the one that the court has just rejected, or none."""

    async def accepted(self) -> None:
        """The court has taken the current token after all: what it rejected was something else."""
