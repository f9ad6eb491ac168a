"""Tokens for the court adapter, given in a test."""

from __future__ import annotations


class GivenTokens:
    """These tokens one after another: each takes the place of the one before when that is rejected."""

    def __init__(self, *tokens: str) -> None:
        self._tokens = list(tokens)
        self.rejected: list[str | None] = []

    async def current(self) -> str | None:
        """The first of those that are left."""
        return self._tokens[0] if self._tokens else None

    async def replacement(self, rejected: str | None) -> str | None:
        """The one behind the rejected one."""
        self.rejected.append(rejected)
        if self._tokens[1:] and self._tokens[0] == rejected:
            del self._tokens[0]
        return next((token for token in self._tokens if token != rejected), None)

    async def accepted(self) -> None:
        """Note that what was rejected was not the token."""
        self.rejected.append("cleared")
