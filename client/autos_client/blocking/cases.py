"""The case of a process, in the blocking client."""

from __future__ import annotations

from collections.abc import Iterator

from autos_client import case_requests as requests
from autos_client.blocking.connection import Connection
from autos_client.case_models import Case, Change, TimelineEntry


class CaseMethods(Connection):
    """Read what the court says of a case, and what is new in it."""

    def case(self, number: str) -> Case:
        """Return the case's basic data, its instances, parties and related processes, as last listed."""
        return self._call(requests.case(number))

    def timeline(self, number: str) -> Iterator[TimelineEntry]:
        """Iterate over movements and documents in one order, the latest first; those without a time are last."""
        return self._iterate_pages(lambda cursor: requests.timeline(number, cursor))

    def changes(self, number: str, *, after: int = 0) -> Iterator[Change]:
        """Iterate over what each listing changed, the earliest first. The first listing changes nothing.

        Args:
            number: The process.
            after: The ``sequence`` of the last change that you have seen.
        """
        return self._iterate_pages(lambda cursor: requests.changes(number, after, cursor))
