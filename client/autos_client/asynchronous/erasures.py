"""Erasures and legal holds, in the client for asyncio."""

from __future__ import annotations

from autos_client import requests
from autos_client.asynchronous.connection import Connection
from autos_client.erasure_models import Erasure, Hold


class ErasureMethods(Connection):
    """Erase processes and hold them, which needs the scope ``admin``."""

    async def erase(self, number: str, *, reason: str | None = None) -> Erasure:
        """See ``Autos.erase``."""
        return await self._call(requests.erase(number, reason))

    async def erasure(self, number: str) -> Erasure:
        """See ``Autos.erasure``."""
        return await self._call(requests.erasure(number))

    async def allow_again(self, number: str) -> Erasure:
        """See ``Autos.allow_again``."""
        return await self._call(requests.allow_again(number))

    async def hold(self, number: str) -> Hold:
        """See ``Autos.hold``."""
        return await self._call(requests.hold(number))

    async def place_hold(self, number: str, *, reason: str | None = None) -> Hold:
        """See ``Autos.place_hold``."""
        return await self._call(requests.place_hold(number, reason))

    async def release_hold(self, number: str) -> Hold:
        """See ``Autos.release_hold``."""
        return await self._call(requests.release_hold(number))
