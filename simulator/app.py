"""Puts the simulator together."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.routing import Mount
from starlette.types import Receive, Scope, Send

from simulator import answers, control, data_lake, portal, sign_in
from simulator.court import Court
from simulator.orders import Nonsense
from simulator.wire import note_transport, transmit


def create_app(court: Court | None = None) -> Starlette:
    """The simulator as an ASGI application, with a court of its own unless one is given.

    To reset connections it needs uvicorn; under other servers it raises ``ConnectionResetError`` there.
    """
    court = court or Court()
    return _Simulator(
        routes=[
            *portal.routes(court),
            *data_lake.routes(court),
            control.routes(court),
            sign_in.routes(court),
            Mount("/", app=_portal_page),
        ],
        exception_handlers={Nonsense: control.refuse, HTTPException: control.decline},
    )


class _Simulator(Starlette):
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # Starlette's layers wrap ``send``: past them the connection is out of reach.
        if scope["type"] == "http":
            note_transport(scope, send)
        # A server that stops cuts its clients off; there is nobody left to answer.
        with suppress(asyncio.CancelledError):
            await super().__call__(scope, receive, send)


async def _portal_page(scope: Scope, receive: Receive, send: Send) -> None:
    await transmit(answers.portal_page(), scope, receive, send)
