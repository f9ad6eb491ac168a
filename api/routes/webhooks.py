"""Routes: webhook deliveries, redelivery, tests and failing endpoints."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response

from api.deps import Reader, StartingDownloader, WebhookServiceDep
from api.json_bodies import JsonRoute
from api.pagination import link_next
from api.problems.problem import documented_problems
from api.schemas.parameters import NoQuery
from api.schemas.webhooks import (
    DeliveriesBody,
    DeliveriesQuery,
    DeliveryBody,
    EndpointBody,
    EndpointsBody,
    EndpointsQuery,
    RedeliverBody,
    RedeliveredBody,
    TestBody,
)

router = APIRouter(prefix="/webhooks", tags=["webhooks"], responses=documented_problems(404), route_class=JsonRoute)


@router.post("/test", status_code=202, summary="Send a test event", responses=documented_problems(404, 413, 415))
async def post_test(client: StartingDownloader, body: TestBody, webhooks: WebhookServiceDep) -> DeliveryBody:
    """Send a signed `webhook.test` event. It is delivered like any other event, with retries."""
    return await webhooks.send_test(client, body.url)


@router.get("/deliveries", summary="List deliveries")
async def get_deliveries(
    response: Response,
    client: Reader,
    query: Annotated[DeliveriesQuery, Query()],
    webhooks: WebhookServiceDep,
) -> DeliveriesBody:
    """Events that were sent to the client, newest first, with every attempt and the receiver's answer."""
    body = await webhooks.list_deliveries(client, query)
    link_next(response, body.deliveries_next)
    return body


@router.post(
    "/deliveries/redeliver",
    status_code=202,
    summary="Redeliver all failed",
    responses=documented_problems(404, 413, 415),
)
async def post_redeliver_failed(
    client: StartingDownloader, body: RedeliverBody, webhooks: WebhookServiceDep
) -> RedeliveredBody:
    """Send events again that were given up since a time, up to 100 per request. Repeat while `more` is true."""
    return await webhooks.redeliver_failed(client, body.failed_since)


@router.get("/deliveries/{delivery_id}", summary="Get a delivery")
async def get_delivery(
    delivery_id: str, client: Reader, query: Annotated[NoQuery, Query()], webhooks: WebhookServiceDep
) -> DeliveryBody:
    """One event with all its attempts."""
    return await webhooks.get_delivery(client, delivery_id)


@router.post(
    "/deliveries/{delivery_id}/redeliver",
    status_code=202,
    summary="Redeliver",
    responses=documented_problems(404, 409),
)
async def post_redeliver(delivery_id: str, client: StartingDownloader, webhooks: WebhookServiceDep) -> DeliveryBody:
    """Send an event again with the same id and the whole retry schedule, whether it was delivered or given up."""
    return await webhooks.redeliver(client, delivery_id)


@router.get("/endpoints", summary="List failing endpoints")
async def get_endpoints(
    client: Reader, query: Annotated[EndpointsQuery, Query()], webhooks: WebhookServiceDep
) -> EndpointsBody:
    """The client's endpoints whose last attempt failed, and those that were switched off because of it."""
    return await webhooks.list_failing_endpoints(client, query.client)


@router.post("/endpoints/{endpoint_id}/enable", summary="Enable an endpoint")
async def post_enable(endpoint_id: str, client: StartingDownloader, webhooks: WebhookServiceDep) -> EndpointBody:
    """Send events again to an endpoint that was switched off. Events given up meanwhile can be redelivered."""
    return await webhooks.enable_endpoint(client, endpoint_id)
