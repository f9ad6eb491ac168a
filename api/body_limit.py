"""A limit on what a request may carry, kept before anybody is asked for a key."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.problem_codes import ProblemCode
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
        refusal = _refusal(Headers(scope=scope).get("content-length", "0"))
        if refusal is not None:
            await problem_response(Request(scope), refusal)(scope, receive, send)
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


def _refusal(stated: str) -> Problem | None:
    """What is wrong with a stated length, if anything is."""
    if not (stated.isascii() and stated.isdigit()):
        return Problem(ProblemCode.INVALID_REQUEST, "Content-Length is not a number of bytes.")
    # Python refuses to read a number of thousands of digits.
    digits = stated.lstrip("0")
    if len(digits) > len(str(MAX_BODY_BYTES)) or int(digits or "0") > MAX_BODY_BYTES:
        return Problem(ProblemCode.TOO_LARGE, _DETAIL)
    return None
