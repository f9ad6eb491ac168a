"""Where the client gets its bearer tokens."""

from __future__ import annotations

from typing import Protocol


class TokenSource(Protocol):
    """The source of the tokens that the client sends. The token may change while requests are in flight."""

    async def get_token(self) -> str | None:
        """Return the token to send now. None if there is none.

        Raises:
            CourtFailure: No request may be sent now.
        """

    async def replace_rejected(self, rejected: str | None) -> str | None:
        """Return a token other than the one that the court has just rejected. None if there is none."""

    async def mark_accepted(self) -> None:
        """Record that the court accepts the current token: an earlier rejection had another cause."""
