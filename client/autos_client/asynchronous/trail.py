"""The access trail, in the client for asyncio."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime

from autos_client import requests
from autos_client.asynchronous.connection import Connection
from autos_client.trail_models import Access


class TrailMethods(Connection):
    """Read the access trail."""

    def accesses(
        self,
        *,
        process_number: str | None = None,
        client: str | None = None,
        document_id: str | None = None,
        how: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> AsyncIterator[Access]:
        """See ``Autos.accesses``."""
        filters = requests.trail_filters(process_number, client, document_id, how, since, until)
        return self._iterate_pages(lambda cursor: requests.accesses(filters, cursor))
