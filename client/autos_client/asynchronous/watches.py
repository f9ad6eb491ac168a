"""Watched processes and events, in the client for asyncio."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from autos_client import watch_requests
from autos_client.asynchronous.connection import Connection
from autos_client.watch_models import EventList, Watch, WatchedProcesses


class WatchMethods(Connection):
    """Have processes watched, and read what you were told."""

    async def add_watch(
        self,
        number: str,
        *,
        every_seconds: int | None = None,
        webhook_url: str | None = None,
        notify: str | None = None,
        download: bool | None = None,
    ) -> Watch:
        """See ``Autos.add_watch``."""
        wished = watch_requests.wish(every_seconds, webhook_url, notify, download)
        return await self._call(watch_requests.add_watch(number, wished))

    async def add_watches(
        self,
        numbers: Sequence[str],
        *,
        every_seconds: int | None = None,
        webhook_url: str | None = None,
        notify: str | None = None,
        download: bool | None = None,
    ) -> WatchedProcesses:
        """See ``Autos.add_watches``."""
        wished = watch_requests.wish(every_seconds, webhook_url, notify, download)
        return await self._call(watch_requests.add_watches(numbers, wished))

    async def get_watch(self, number: str) -> Watch:
        """See ``Autos.get_watch``."""
        return await self._call(watch_requests.get_watch(number))

    async def remove_watch(self, number: str) -> None:
        """See ``Autos.remove_watch``."""
        await self._call(watch_requests.remove_watch(number))

    def watches(self, *, state: str | None = None) -> AsyncIterator[Watch]:
        """See ``Autos.watches``."""
        return self._iterate_pages(lambda cursor: watch_requests.watches(state, cursor))

    async def events(self, after: int = 0, *, limit: int | None = None) -> EventList:
        """See ``Autos.events``."""
        return await self._call(watch_requests.events(after, limit))
