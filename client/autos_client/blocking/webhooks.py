"""Webhook deliveries and endpoints, in the blocking client."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from autos_client import requests
from autos_client.blocking.connection import Connection
from autos_client.models import Delivery, Endpoint, Redelivered


class WebhookMethods(Connection):
    """List and repeat webhook deliveries; test and enable endpoints."""

    def deliveries(self, *, status: str | None = None, process_number: str | None = None) -> Iterator[Delivery]:
        """Iterate over webhook deliveries, the newest first."""
        return self._iterate_pages(lambda cursor: requests.deliveries(status, process_number, cursor))

    def delivery(self, delivery_id: str) -> Delivery:
        """Get one delivery with its attempts."""
        return self._call(requests.delivery(delivery_id))

    def redeliver(self, delivery_id: str) -> Delivery:
        """Redeliver an event under its own id."""
        return self._call(requests.redeliver(delivery_id))

    def redeliver_failed(self, since: datetime) -> Redelivered:
        """Redeliver up to a hundred events that failed for good since a time, the oldest first.

        Raises:
            ValueError: The time has no time zone.
        """
        return self._call(requests.redeliver_failed(since))

    def endpoints(self) -> tuple[Endpoint, ...]:
        """List failing endpoints, and those that are disabled because of it."""
        return self._call(requests.endpoints())

    def enable_endpoint(self, endpoint_id: str) -> Endpoint:
        """Enable an endpoint that was disabled."""
        return self._call(requests.enable_endpoint(endpoint_id))

    def test_webhook(self, url: str) -> Delivery:
        """Send a ``webhook.test`` event to a URL."""
        return self._call(requests.test_webhook(url))
