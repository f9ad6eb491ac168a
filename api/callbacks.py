"""What OpenAPI says of the request that a subscriber receives for an address that it gave."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header
from fastapi.routing import APIRoute
from pydantic import Field
from starlette.routing import BaseRoute

from api.webhook_events import ProcessCancelled, ProcessCompleted, ProcessFailed, ProcessPartial

EndOfRun = Annotated[
    ProcessCompleted | ProcessPartial | ProcessFailed | ProcessCancelled, Field(discriminator="type")
]
EventId = Annotated[str, Header(alias="webhook-id", description="The event's id, the same at every attempt.")]
SentAt = Annotated[int, Header(alias="webhook-timestamp", description="Of this attempt, in seconds since 1970.")]
Signatures = Annotated[
    str,
    Header(
        alias="webhook-signature", description="`v1,` and base64; several, with blanks between, while keys change."
    ),
]


async def _receive(body: EndOfRun, event_id: EventId, sent_at: SentAt, signatures: Signatures) -> None:
    """Called once when the run ends, and again, under the same id, until it is taken."""


def called_back(asked_by: str, address: str) -> list[BaseRoute]:
    """The callback of a route.

    Args:
        asked_by: the route's name.
        address: where the route's request names the subscriber's address, as an OpenAPI runtime expression.
    """
    route = APIRoute(
        address,
        _receive,
        methods=["POST"],
        name="end_of_run",
        operation_id=f"{asked_by}_end_of_run",
        summary="The end of the run",
        status_code=204,
        response_description="Taken. Any 2xx will do.",
    )
    router = APIRouter(routes=[route])
    return router.routes
