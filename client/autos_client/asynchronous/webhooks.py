"""Webhook deliveries and endpoints, in the client for asyncio."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime

from autos_client import requests
from autos_client.asynchronous.connection import Connection
from autos_client.models import Delivery, Endpoint, Redelivered


class WebhookMethods(Connection):
    """List and repeat webhook deliveries; test and enable endpoints."""

    def deliveries(
        self, *, status: str | None = None, process_number: str | None = None
    ) -> AsyncIterator[Delivery]:
        """See ``Autos.deliveries``."""
        return self._iterate_pages(lambda cursor: requests.deliveries(status, process_number, cursor))

    async def delivery(self, delivery_id: str) -> Delivery:
        """See ``Autos.delivery``."""
        return await self._call(requests.delivery(delivery_id))

    async def redeliver(self, delivery_id: str) -> Delivery:
        """See ``Autos.redeliver``."""
        return await self._call(requests.redeliver(delivery_id))

    async def redeliver_failed(self, since: datetime) -> Redelivered:
        """See ``Autos.redeliver_failed``."""
        return await self._call(requests.redeliver_failed(since))

    async def endpoints(self) -> tuple[Endpoint, ...]:
        """See ``Autos.endpoints``."""
        return await self._call(requests.endpoints())

    async def enable_endpoint(self, endpoint_id: str) -> Endpoint:
        """See ``Autos.enable_endpoint``."""
        return await self._call(requests.enable_endpoint(endpoint_id))

    async def test_webhook(self, url: str) -> Delivery:
        """See ``Autos.test_webhook``."""
        return await self._call(requests.test_webhook(url))
