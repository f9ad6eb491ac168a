"""Runs: followed and controlled, in the client for asyncio."""

from __future__ import annotations

from collections.abc import AsyncIterator

from autos_client import flows, requests
from autos_client.asynchronous.connection import Connection
from autos_client.models import Status
from autos_client.streams import status_stream


class RunMethods(Connection):
    """Follow and control the runs of processes."""

    async def status(self, number: str, *, wait: float | None = None) -> Status:
        """See ``Autos.status``."""
        return await self._call(requests.status(number, wait=wait))

    async def wait(self, number: str, *, timeout: float | None = None) -> Status:  # noqa: ASYNC109 - It limits the run, not this call.
        """See ``Autos.wait``."""
        return await self._run(flows.wait_until_ended(number, timeout, self._patience))

    async def watch(self, number: str) -> AsyncIterator[Status]:
        """See ``Autos.watch``."""
        async for status in self._follow(status_stream(number)):
            yield status

    async def retry(self, number: str) -> Status:
        """See ``Autos.retry``."""
        return await self._call(requests.control(number, "retry"))

    async def pause(self, number: str) -> Status:
        """See ``Autos.pause``."""
        return await self._call(requests.control(number, "pause"))

    async def resume(self, number: str) -> Status:
        """See ``Autos.resume``."""
        return await self._call(requests.control(number, "resume"))

    async def cancel(self, number: str) -> Status:
        """See ``Autos.cancel``."""
        return await self._call(requests.control(number, "cancel"))
