"""The simulator's ASGI application."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.routing import Mount
from starlette.types import Receive, Scope, Send

from simulator import control, data_lake, portal, responses, sign_in
from simulator.control_requests import InvalidControlRequest
from simulator.court import Court
from simulator.wire import save_transport, transmit


def create_app(court: Court | None = None) -> Starlette:
    """Create the application.

    Resetting a connection needs uvicorn. Under other servers it raises ``ConnectionResetError`` instead.

    Args:
        court: the court's state. ``None`` creates a new one.
    """
    court = court or Court()
    return _SimulatorApp(
        routes=[
            *portal.routes(court),
            *data_lake.routes(court),
            control.routes(court),
            sign_in.routes(court),
            Mount("/", app=_serve_portal_page),
        ],
        exception_handlers={InvalidControlRequest: control.invalid_request, HTTPException: control.http_error},
    )


class _SimulatorApp(Starlette):
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # Starlette's layers wrap ``send``, which hides the connection.
        if scope["type"] == "http":
            save_transport(scope, send)
        # A server that stops aborts its connections: no client is left to respond to.
        with suppress(asyncio.CancelledError):
            await super().__call__(scope, receive, send)


async def _serve_portal_page(scope: Scope, receive: Receive, send: Send) -> None:
    await transmit(responses.portal_page(), scope, receive, send)
