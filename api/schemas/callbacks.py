"""OpenAPI callbacks: the request that is sent to a ``webhook_url``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Header
from fastapi.routing import APIRoute
from pydantic import Field
from starlette.routing import BaseRoute

from api.schemas.webhook_events import (
    BundleFailed,
    BundleReady,
    DocumentsAdded,
    DocumentsUnlisted,
    ProcessCancelled,
    ProcessCompleted,
    ProcessFailed,
    ProcessPartial,
    SecrecyChanged,
    WatchChecked,
)

RunEndedEvent = Annotated[
    ProcessCompleted | ProcessPartial | ProcessFailed | ProcessCancelled, Field(discriminator="type")
]
WatchEvent = Annotated[
    DocumentsAdded | DocumentsUnlisted | SecrecyChanged | WatchChecked, Field(discriminator="type")
]
BundleEndedEvent = Annotated[BundleReady | BundleFailed, Field(discriminator="type")]
_EventId = Annotated[str, Header(alias="webhook-id", description="The event's id. The same at every attempt.")]
_SentAt = Annotated[
    int, Header(alias="webhook-timestamp", description="Time of this attempt, in seconds since 1970.")
]
_Signatures = Annotated[
    str,
    Header(
        alias="webhook-signature",
        description="`v1,` and base64. Several, separated by spaces, while secrets are rotated.",
    ),
]


async def _receive_bundle(
    body: BundleEndedEvent, event_id: _EventId, sent_at: _SentAt, signatures: _Signatures
) -> None:
    """Called once when the build ends. Repeated with the same id until it is accepted."""


async def _receive(body: RunEndedEvent, event_id: _EventId, sent_at: _SentAt, signatures: _Signatures) -> None:
    """Called once when the run ends. Repeated with the same id until it is accepted."""


async def _receive_watch_event(
    body: WatchEvent, event_id: _EventId, sent_at: _SentAt, signatures: _Signatures
) -> None:
    """Called when there is something to tell. Repeated with the same id until it is accepted."""


def watch_callback(operation: str, url_expression: str) -> list[BaseRoute]:
    """Return the OpenAPI callback of a route that takes the ``webhook_url`` of a watch. See `run_end_callback`."""
    route = APIRoute(
        url_expression,
        _receive_watch_event,
        methods=["POST"],
        name="watch_event",
        operation_id=f"{operation}_watch_event",
        summary="Something is new",
        status_code=204,
        response_description="Accepted. Any 2xx status will do.",
    )
    return APIRouter(routes=[route]).routes


def run_end_callback(operation: str, url_expression: str) -> list[BaseRoute]:
    """Return the OpenAPI callback of a route that takes a ``webhook_url``.

    Args:
        operation: The route's operation id.
        url_expression: Where the URL is in the request, as an OpenAPI runtime expression.
    """
    return _callback(url_expression, _receive, "end_of_run", f"{operation}_end_of_run", "Run ended")


def bundle_end_callback(operation: str, url_expression: str) -> list[BaseRoute]:
    """Return the OpenAPI callback of the route that requests a bundle. Takes the same arguments."""
    return _callback(url_expression, _receive_bundle, "end_of_build", f"{operation}_end_of_build", "Build ended")


def _callback(
    url_expression: str, receive: Callable[..., Any], name: str, operation_id: str, summary: str
) -> list[BaseRoute]:
    route = APIRoute(
        url_expression,
        receive,
        methods=["POST"],
        name=name,
        operation_id=operation_id,
        summary=summary,
        status_code=204,
        response_description="Accepted. Any 2xx status will do.",
    )
    router = APIRouter(routes=[route])
    return router.routes
