"""Webhooks: the log of deliveries, redelivery, tests and failing endpoints."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import structlog

from api.auth import require_scope
from api.pagination import POSITION_CURSOR, page_url
from api.problems.codes import ProblemCode
from api.problems.problem import Problem
from api.schemas.webhooks import (
    DeliveriesBody,
    DeliveriesQuery,
    DeliveryBody,
    EndpointBody,
    EndpointsBody,
    RedeliveredBody,
)
from domain.clients import Client, Scope
from domain.process_number import ProcessNumber
from domain.serializers import format_timestamp
from domain.webhooks import LoggedDelivery

if TYPE_CHECKING:
    from adapters.database import Catalog
    from adapters.temporal.run_client import RunClient
    from adapters.webhooks import AddressGuard

# The database is asked only for what can be an id: a path may contain anything, and the database refuses NUL.
_DELIVERY_ID = re.compile(r"evt_[0-9a-f]{32}")
_ENDPOINT_ID = re.compile(r"ep_[0-9a-f]{32}")

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class WebhookService:
    """Shows clients their deliveries and endpoints, and sends events again."""

    catalog: Catalog
    runs: RunClient
    address_guard: AddressGuard

    async def send_test(self, client: Client, url: str) -> DeliveryBody:
        """Send a test event to a URL.

        Raises:
            InvalidInput: The URL is not allowed. Nothing was changed.
            DependencyUnavailable: The database or Temporal does not answer.
        """
        delivery = await self.catalog.deliveries.create_test(client.name, await self.address_guard.check(url))
        await self.runs.start_delivery(delivery)
        return await self.get_delivery(client, delivery.id)

    async def get_delivery(self, client: Client, delivery_id: str) -> DeliveryBody:
        """Return one delivery.

        Raises:
            Problem: 404, the client has no such delivery.
        """
        return DeliveryBody.of(await self._get_visible(client, delivery_id))

    async def list_deliveries(self, client: Client, query: DeliveriesQuery) -> DeliveriesBody:
        """Return a page of deliveries.

        Raises:
            Problem: 403, the query names another client and the key lacks the scope `admin`.
            InvalidInput: The cursor or the process number is not valid.
        """
        number = None if query.process_number is None else ProcessNumber.parse(query.process_number).canonical
        rows = await self.catalog.deliveries.log.page(
            _authorized_owner(client, query.client),
            limit=query.limit + 1,
            before=POSITION_CURSOR.decode(query.cursor) or None,
            status=query.status,
            process_number=number,
            since=query.since,
        )
        page = rows[: query.limit]
        cursor = POSITION_CURSOR.encode(page[-1].delivery.number) if len(rows) > query.limit else None
        filters = query.model_dump(mode="json", exclude={"cursor"})
        return DeliveriesBody(
            deliveries=[DeliveryBody.of(logged) for logged in page],
            next_cursor=cursor,
            deliveries_next=page_url("/webhooks/deliveries", {**filters, "cursor": cursor}) if cursor else None,
        )

    async def redeliver(self, client: Client, delivery_id: str) -> DeliveryBody:
        """Send an event again with the same id.

        Raises:
            Problem: 404, the client has no such delivery. 409, its attempts have not ended.
            DependencyUnavailable: The database or Temporal does not answer.
        """
        logged = await self._get_visible(client, delivery_id)
        reopened = await self.catalog.deliveries.reopen(logged.delivery.id)
        if reopened is None:
            raise Problem(
                ProblemCode.DELIVERY_PENDING,
                "This delivery is still being attempted. next_attempt_at is the time of the next attempt.",
                next_attempt_at=format_timestamp(logged.delivery.next_attempt_at),
            )
        await self.runs.start_delivery(reopened)
        return await self.get_delivery(client, delivery_id)

    async def redeliver_failed(self, client: Client, since: datetime) -> RedeliveredBody:
        """Send the client's own deliveries again that were given up since a time: the oldest hundred.

        Raises:
            DependencyUnavailable: The database or Temporal does not answer.
        """
        reopened, more = await self.catalog.deliveries.reopen_failed(client.name, since)
        for delivery in reopened:
            await self.runs.start_delivery(delivery)
        return RedeliveredBody(redelivered=len(reopened), more=more)

    async def list_failing_endpoints(self, client: Client, other_client: str | None) -> EndpointsBody:
        """Return the endpoints that fail at present.

        Raises:
            Problem: 403, another client's endpoints are requested and the key lacks the scope `admin`.
        """
        failing = await self.catalog.deliveries.endpoints.list_failing(_authorized_owner(client, other_client))
        return EndpointsBody(endpoints=[EndpointBody.of(endpoint) for endpoint in failing])

    async def enable_endpoint(self, client: Client, endpoint_id: str) -> EndpointBody:
        """Send events to an endpoint again.

        Raises:
            Problem: 404, the client has no failing endpoint with this id.
        """
        is_id = _ENDPOINT_ID.fullmatch(endpoint_id)
        endpoint = await self.catalog.deliveries.endpoints.get(endpoint_id) if is_id else None
        if endpoint is None or not _may_see(client, endpoint.client):
            raise Problem(
                ProblemCode.NOT_FOUND, "You have no endpoint with this id that is failing or switched off."
            )
        await self.catalog.deliveries.endpoints.switch_on(endpoint_id)
        _log.info("webhook endpoint enabled", endpoint=endpoint_id, client=endpoint.client)
        return EndpointBody.of(endpoint).model_copy(update={"switched_off_at": None})

    async def _get_visible(self, client: Client, delivery_id: str) -> LoggedDelivery:
        """Return a delivery that the client may see; anything else is a 404."""
        is_id = _DELIVERY_ID.fullmatch(delivery_id)
        logged = await self.catalog.deliveries.log.get(delivery_id) if is_id else None
        if logged is None or not _may_see(client, logged.delivery.client):
            raise Problem(ProblemCode.DELIVERY_UNKNOWN, "You have no delivery with this id.")
        return logged


def _may_see(client: Client, owner: str) -> bool:
    return client.name == owner or client.may(Scope.ADMIN)


def _authorized_owner(client: Client, other_client: str | None) -> str:
    """Return the client whose rows are requested. Raise 403 if the key may not see them."""
    if other_client is not None and other_client != client.name:
        require_scope(client, Scope.ADMIN)
    return other_client or client.name
