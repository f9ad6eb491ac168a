"""Erasures and legal holds, in the blocking client."""

from __future__ import annotations

from autos_client import requests
from autos_client.blocking.connection import Connection
from autos_client.erasure_models import Erasure, Hold


class ErasureMethods(Connection):
    """Erase processes and hold them, which needs the scope ``admin``."""

    def erase(self, number: str, *, reason: str | None = None) -> Erasure:
        """Erase everything of a process, for good. Idempotent: repeating it returns the receipt.

        Args:
            number: The process.
            reason: Why. It stays in the receipt, so it should name nobody.
        """
        return self._call(requests.erase(number, reason))

    def erasure(self, number: str) -> Erasure:
        """Get the receipt of the latest erasure of a process."""
        return self._call(requests.erasure(number))

    def allow_again(self, number: str) -> Erasure:
        """Remove the block of an erased process. The receipt stays."""
        return self._call(requests.allow_again(number))

    def hold(self, number: str) -> Hold:
        """Get whether a legal hold is on a process."""
        return self._call(requests.hold(number))

    def place_hold(self, number: str, *, reason: str | None = None) -> Hold:
        """Keep a process from being erased."""
        return self._call(requests.place_hold(number, reason))

    def release_hold(self, number: str) -> Hold:
        """Release the legal hold on a process."""
        return self._call(requests.release_hold(number))
