"""The case of a process, in the client for asyncio."""

from __future__ import annotations

from collections.abc import AsyncIterator

from autos_client import case_requests as requests
from autos_client.asynchronous.connection import Connection
from autos_client.case_models import Case, Change, TimelineEntry


class CaseMethods(Connection):
    """Read what the court says of a case, and what is new in it."""

    async def case(self, number: str) -> Case:
        """See ``Autos.case``."""
        return await self._call(requests.case(number))

    def timeline(self, number: str) -> AsyncIterator[TimelineEntry]:
        """See ``Autos.timeline``."""
        return self._iterate_pages(lambda cursor: requests.timeline(number, cursor))

    def changes(self, number: str, *, after: int = 0) -> AsyncIterator[Change]:
        """See ``Autos.changes``."""
        return self._iterate_pages(lambda cursor: requests.changes(number, after, cursor))
