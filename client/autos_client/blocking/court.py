"""The court's status and credentials, in the blocking client."""

from __future__ import annotations

from collections.abc import Mapping

from autos_client import requests
from autos_client.blocking.connection import Connection
from autos_client.models import CourtStatus


class CourtMethods(Connection):
    """Read the court's status, and bring credentials."""

    def court_status(self) -> CourtStatus:
        """Get whether the court answers, and when its token expires."""
        return self._call(requests.court_status())

    def bring_credentials(self, credentials: Mapping[str, str]) -> CourtStatus:
        """Send a new ``token`` for the court, a ``refresh_token``, or both."""
        return self._call(requests.bring_credentials(credentials))
