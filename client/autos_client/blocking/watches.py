"""Watched processes and events, in the blocking client."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from autos_client import watch_requests
from autos_client.blocking.connection import Connection
from autos_client.watch_models import EventList, Watch, WatchedProcesses


class WatchMethods(Connection):
    """Have processes watched, and read what you were told."""

    def add_watch(
        self,
        number: str,
        *,
        every_seconds: int | None = None,
        webhook_url: str | None = None,
        notify: str | None = None,
        download: bool | None = None,
    ) -> Watch:
        """Have a process looked at at intervals, and be told of what is new. Repeating it changes nothing.

        Args:
            number: The process.
            every_seconds: The longest time between two looks. Default: a day.
            webhook_url: Where events are sent. Without it, ``events`` has them alone.
            notify: ``new``, or ``always`` to be told of each look.
            download: ``False`` only lists the process, and opens no document at the court.
        """
        wished = watch_requests.wish(every_seconds, webhook_url, notify, download)
        return self._call(watch_requests.add_watch(number, wished))

    def add_watches(
        self,
        numbers: Sequence[str],
        *,
        every_seconds: int | None = None,
        webhook_url: str | None = None,
        notify: str | None = None,
        download: bool | None = None,
    ) -> WatchedProcesses:
        """Watch up to 1000 processes in the same way. See ``add_watch``."""
        wished = watch_requests.wish(every_seconds, webhook_url, notify, download)
        return self._call(watch_requests.add_watches(numbers, wished))

    def get_watch(self, number: str) -> Watch:
        """Get your watch of a process."""
        return self._call(watch_requests.get_watch(number))

    def remove_watch(self, number: str) -> None:
        """Stop watching a process. No effect if you do not watch it."""
        self._call(watch_requests.remove_watch(number))

    def watches(self, *, state: str | None = None) -> Iterator[Watch]:
        """Iterate over your watches, the newest first. With the scope ``admin``, over those of all clients.

        Args:
            state: Only ``active``, ``late``, ``no_access`` or ``not_found`` ones.
        """
        return self._iterate_pages(lambda cursor: watch_requests.watches(state, cursor))

    def events(self, after: int = 0, *, limit: int | None = None) -> EventList:
        """Get what you were told after a number, the oldest first: a page of at most 100 events.

        Args:
            after: The ``next_after`` of the answer before. 0 is the beginning.
            limit: At most so many.
        """
        return self._call(watch_requests.events(after, limit))
