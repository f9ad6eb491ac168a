"""A limit on what a request may carry, kept before anybody is asked for a key."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.problems import Problem, problem_response

MAX_BODY_BYTES = 65_536
_DETAIL = f"A request's body may have {MAX_BODY_BYTES} bytes at most."


class BodyLimit:
    """Refuses larger bodies with 413, by their stated length or once so much has come.

    FastAPI reads a body whole before it looks who sends it, and its own limit answers without a problem's body.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on while its body stays within the limit."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if int(Headers(scope=scope).get("content-length", 0)) > MAX_BODY_BYTES:
            refusal = problem_response(Request(scope), Problem(413, "too_large", _DETAIL))
            await refusal(scope, receive, send)
            return
        received = 0

        async def receive_counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > MAX_BODY_BYTES:
                # The one kind of error that FastAPI lets through while it reads a body.
                raise HTTPException(413, _DETAIL)
            return message

        await self._app(scope, receive_counted, send)
