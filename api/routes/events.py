"""Route: a client's events."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import JSONResponse, Response

from api.deps import EventServiceDep, Reader, RecipientDep
from api.pagination import link_next
from api.problems.problem import documented_problems
from api.schemas.events import EventsBody, EventsQuery

router = APIRouter(tags=["events"], responses=documented_problems())


@router.get("/events", summary="List events", response_model=EventsBody)
async def get_client_events(
    client: Reader,
    recipient: RecipientDep,
    query: Annotated[EventsQuery, Query()],
    events: EventServiceDep,
) -> Response:
    """Everything that the client was told, or would have been told by webhook, in order, the oldest first.

    For clients without a receiver, and for a receiver that was away. The bodies are those of the webhooks, with the
    same ids. Tests and alerts are left out. Events are kept for 30 days unless the operator has set another time.
    """
    body = await events.list_events(recipient, query)
    response = JSONResponse(body)
    link_next(response, body["events_next"])
    return response
