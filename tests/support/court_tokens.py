"""A token source for the court adapter with tokens that a test sets."""

from __future__ import annotations


class FixedTokens:
    """A token source that moves to its next token when the present one is rejected."""

    def __init__(self, *tokens: str) -> None:
        self._tokens = list(tokens)
        self.rejected: list[str | None] = []

    async def get_token(self) -> str | None:
        """Return the present token, `None` if there is none."""
        return self._tokens[0] if self._tokens else None

    async def replace_rejected(self, rejected: str | None) -> str | None:
        """Return another token than the rejected one, `None` if there is none."""
        self.rejected.append(rejected)
        if self._tokens[1:] and self._tokens[0] == rejected:
            del self._tokens[0]
        return next((token for token in self._tokens if token != rejected), None)

    async def mark_accepted(self) -> None:
        """Record that the last rejection was not the token's fault."""
        self.rejected.append("cleared")
