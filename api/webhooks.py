"""The routes of the webhooks: what was sent, sending it again, and trying an address."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlencode

import structlog
from fastapi import APIRouter, Query, Request
from starlette.responses import JSONResponse, Response

from api.access import Reader, Starter, require
from api.parameters import NoQuery, decode_cursor, encode_cursor
from api.problem_codes import ProblemCode
from api.problems import Problem, documented_problems
from api.runs import Runs
from api.webhook_schemas import (
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
from domain.clients import Client, Scope
from domain.process_number import ProcessNumber
from domain.representation import Json, moment
from domain.webhooks import FailingEndpoint, LoggedDelivery

if TYPE_CHECKING:
    from adapters.database import Catalog
    from adapters.webhooks import Destinations

# The database is asked only for what can be one: it takes no NUL, and anything may stand in a path.
_DELIVERY_ID = re.compile(r"evt_[0-9a-f]{32}")
_ENDPOINT_ID = re.compile(r"ep_[0-9a-f]{32}")

# Addresses may hold what only their owners should know.
_PRIVATE = {"Cache-Control": "no-store"}

_log = structlog.get_logger()

router = APIRouter(prefix="/webhooks", tags=["webhooks"], responses=documented_problems(404))


@dataclass(frozen=True, slots=True)
class WebhookDesk:
    """Where clients read what they were sent, and have it sent again."""

    catalog: Catalog
    runs: Runs
    destinations: Destinations

    async def test(self, client: Client, url: str) -> Json:
        """Send a test event to an address.

        Raises:
            InvalidInput: the address cannot be used; nothing was changed.
            DependencyUnavailable: the database or Temporal does not answer.
        """
        delivery = await self.catalog.webhooks.announce_test(client.name, await self.destinations.check(url))
        await self.runs.deliver(delivery)
        return await self.delivery(client, delivery.id)

    async def delivery(self, client: Client, delivery_id: str) -> Json:
        """One delivery.

        Raises:
            Problem: 404, the client has no such delivery.
        """
        return _delivery(await self._owned(client, delivery_id))

    async def deliveries(self, client: Client, query: DeliveriesQuery) -> Json:
        """A page of the log.

        Raises:
            Problem: 403, another client's log is asked for without the scope admin.
            InvalidInput: the cursor or the process number is none.
        """
        number = None if query.process_number is None else ProcessNumber.parse(query.process_number).canonical
        found = await self.catalog.webhooks.log.page(
            _whose(client, query.client),
            limit=query.limit + 1,
            before=decode_cursor(query.cursor) or None,
            status=query.status,
            process_number=number,
            since=query.since,
        )
        page = found[: query.limit]
        following = encode_cursor(page[-1].delivery.number) if len(found) > query.limit else None
        return {
            "deliveries": [_delivery(logged) for logged in page],
            "next_cursor": following,
            "deliveries_next": _page_url(query, following) if following else None,
        }

    async def redeliver(self, client: Client, delivery_id: str) -> Json:
        """Send an event again, under the same id.

        Raises:
            Problem: 404, the client has no such delivery; 409, attempts at it go on.
            DependencyUnavailable: the database or Temporal does not answer.
        """
        logged = await self._owned(client, delivery_id)
        reopened = await self.catalog.webhooks.reopen(logged.delivery.id)
        if reopened is None:
            raise Problem(
                ProblemCode.DELIVERY_PENDING,
                "Attempts at this delivery go on; next_attempt_at says when the next one is made.",
                next_attempt_at=moment(logged.delivery.next_attempt_at),
            )
        await self.runs.deliver(reopened)
        return await self.delivery(client, delivery_id)

    async def redeliver_failed(self, client: Client, since: datetime) -> Json:
        """Send again what was given up since a time: the oldest hundred of the client's own.

        Raises:
            DependencyUnavailable: the database or Temporal does not answer.
        """
        reopened, more = await self.catalog.webhooks.reopen_failed(client.name, since)
        for delivery in reopened:
            await self.runs.deliver(delivery)
        return {"redelivered": len(reopened), "more": more}

    async def endpoints(self, client: Client, other: str | None) -> Json:
        """The addresses that take nothing at present.

        Raises:
            Problem: 403, another client's are asked for without the scope admin.
        """
        found = await self.catalog.webhooks.endpoints.of(_whose(client, other))
        return {"endpoints": [_endpoint(one) for one in found]}

    async def switch_on(self, client: Client, endpoint_id: str) -> Json:
        """Send to an address again.

        Raises:
            Problem: 404, no address of the client's with this id takes nothing.
        """
        known = _ENDPOINT_ID.fullmatch(endpoint_id)
        endpoint = await self.catalog.webhooks.endpoints.get(endpoint_id) if known else None
        if endpoint is None or not _may_see(client, endpoint.client):
            raise Problem(
                ProblemCode.NOT_FOUND, "No address of yours with this id fails or is switched off: events go to it."
            )
        await self.catalog.webhooks.endpoints.switch_on(endpoint_id)
        _log.info("webhook endpoint switched on", endpoint=endpoint_id, client=endpoint.client)
        return {**_endpoint(endpoint), "switched_off_at": None}

    async def _owned(self, client: Client, delivery_id: str) -> LoggedDelivery:
        known = _DELIVERY_ID.fullmatch(delivery_id)
        logged = await self.catalog.webhooks.log.get(delivery_id) if known else None
        if logged is None or not _may_see(client, logged.delivery.client):
            raise Problem(ProblemCode.DELIVERY_UNKNOWN, "You have no delivery with this id.")
        return logged


@router.post("/test", status_code=202, summary="Try an address", response_model=DeliveryBody)
async def post_test(request: Request, client: Starter, body: TestBody) -> Response:
    """Send a signed event of the type webhook.test, with everything that is done for a real one."""
    return _answer(await _desk(request).test(client, body.url), 202)


@router.get("/deliveries", summary="What was sent, the newest first", response_model=DeliveriesBody)
async def get_deliveries(request: Request, client: Reader, query: Annotated[DeliveriesQuery, Query()]) -> Response:
    """Every event that was sent to the client's addresses, with each attempt and what the receiver answered."""
    return _answer(await _desk(request).deliveries(client, query))


@router.post(
    "/deliveries/redeliver", status_code=202, summary="Send again all that failed", response_model=RedeliveredBody
)
async def post_redeliver_failed(request: Request, client: Starter, body: RedeliverBody) -> Response:
    """Send again what was given up since a time, a hundred at a time: ask again while there is more."""
    return _answer(await _desk(request).redeliver_failed(client, body.failed_since), 202)


@router.get("/deliveries/{delivery_id}", summary="One delivery", response_model=DeliveryBody)
async def get_delivery(
    request: Request, delivery_id: str, client: Reader, query: Annotated[NoQuery, Query()]
) -> Response:
    """One event with each attempt at it."""
    return _answer(await _desk(request).delivery(client, delivery_id))


@router.post(
    "/deliveries/{delivery_id}/redeliver",
    status_code=202,
    summary="Send an event again",
    response_model=DeliveryBody,
    responses=documented_problems(404, 409),
)
async def post_redeliver(request: Request, delivery_id: str, client: Starter) -> Response:
    """Send it again under the same id, on the whole schedule, whether it was delivered or given up."""
    return _answer(await _desk(request).redeliver(client, delivery_id), 202)


@router.get("/endpoints", summary="Addresses that take nothing", response_model=EndpointsBody)
async def get_endpoints(request: Request, client: Reader, query: Annotated[EndpointsQuery, Query()]) -> Response:
    """The client's addresses whose last attempt failed, and those that are switched off because of it."""
    return _answer(await _desk(request).endpoints(client, query.client))


@router.post("/endpoints/{endpoint_id}/enable", summary="Switch an address on again", response_model=EndpointBody)
async def post_enable(request: Request, endpoint_id: str, client: Starter) -> Response:
    """Send to an address again that was switched off. What was given up meanwhile can be sent again."""
    return _answer(await _desk(request).switch_on(client, endpoint_id))


def _desk(request: Request) -> WebhookDesk:
    desk: WebhookDesk = request.app.state.webhooks
    return desk


def _answer(body: Json, status: int = 200) -> Response:
    return JSONResponse(body, status, headers=_PRIVATE)


def _may_see(client: Client, owner: str) -> bool:
    return client.name == owner or client.may(Scope.ADMIN)


def _whose(client: Client, other: str | None) -> str:
    if other is not None and other != client.name:
        require(client, Scope.ADMIN)
    return other or client.name


def _delivery(logged: LoggedDelivery) -> Json:
    delivery = logged.delivery
    return {
        "id": delivery.id,
        "event_type": delivery.event_type.value,
        "process_number": delivery.process_number,
        "run_id": delivery.run_id,
        "client": delivery.client,
        "url": delivery.url,
        "status": delivery.status.value,
        "created_at": moment(delivery.created_at),
        "delivered_at": moment(delivery.delivered_at),
        "given_up_at": moment(delivery.given_up_at),
        "next_attempt_at": moment(delivery.next_attempt_at),
        "attempts": [
            {
                "number": attempt.number,
                "sent_at": moment(attempt.sent_at),
                "status_code": attempt.status_code,
                "latency_ms": attempt.latency_ms,
                "excerpt": attempt.excerpt,
                "error": attempt.error,
            }
            for attempt in logged.attempts
        ],
    }


def _endpoint(endpoint: FailingEndpoint) -> Json:
    return {
        "id": endpoint.id,
        "client": endpoint.client,
        "url": endpoint.url,
        "failing_since": moment(endpoint.failing_since),
        "switched_off_at": moment(endpoint.switched_off_at),
    }


def _page_url(query: DeliveriesQuery, cursor: str) -> str:
    asked = query.model_dump(mode="json", exclude_none=True, exclude={"cursor"})
    return f"/webhooks/deliveries?{urlencode({**asked, 'cursor': cursor})}"
