"""The access trail, in the blocking client."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from autos_client import requests
from autos_client.blocking.connection import Connection
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
    ) -> Iterator[Access]:
        """Iterate over the access trail, the newest first. Requires the scope ``admin``.

        Args:
            process_number: Only accesses to this process's documents.
            client: Only accesses of this client.
            document_id: Only accesses to this document of the process.
            how: ``link``, ``content``, ``page``, ``archive`` or ``event``.
            since: Only accesses at this time or later.
            until: Only accesses before this time.

        Raises:
            ValueError: A time has no time zone.
        """
        filters = requests.trail_filters(process_number, client, document_id, how, since, until)
        return self._iterate_pages(lambda cursor: requests.accesses(filters, cursor))
