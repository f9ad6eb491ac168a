"""The court's status and credentials, in the client for asyncio."""

from __future__ import annotations

from collections.abc import Mapping

from autos_client import requests
from autos_client.asynchronous.connection import Connection
from autos_client.models import CourtStatus


class CourtMethods(Connection):
    """Read the court's status, and bring credentials."""

    async def court_status(self) -> CourtStatus:
        """See ``Autos.court_status``."""
        return await self._call(requests.court_status())

    async def bring_credentials(self, credentials: Mapping[str, str]) -> CourtStatus:
        """See ``Autos.bring_credentials``."""
        return await self._call(requests.bring_credentials(credentials))
