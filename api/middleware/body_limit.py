"""Limit on the size of request bodies, enforced before authentication."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.problems.codes import ProblemCode
from api.problems.problem import Problem, problem_response

MAX_BODY_BYTES = 65_536
_DETAIL = f"The body of a request may have at most {MAX_BODY_BYTES} bytes."


class BodyLimit:
    """Middleware that refuses larger bodies with 413, by ``Content-Length`` or once that many bytes have arrived.

    FastAPI reads the whole body before it authenticates the client, and its own limit answers without a problem.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on while its body is within the limit."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        problem = _check_content_length(Headers(scope=scope).get("content-length", "0"))
        if problem is not None:
            await problem_response(Request(scope), problem)(scope, receive, send)
            return
        received = 0

        async def receive_counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > MAX_BODY_BYTES:
                # The only kind of error that FastAPI passes on while it reads a body.
                raise HTTPException(413, _DETAIL)
            return message

        await self._app(scope, receive_counted, send)


def _check_content_length(value: str) -> Problem | None:
    """Return the problem with a ``Content-Length``, or None."""
    if not (value.isascii() and value.isdigit()):
        return Problem(ProblemCode.INVALID_REQUEST, "Content-Length is not a number of bytes.")
    # Python refuses to convert a number of thousands of digits.
    digits = value.lstrip("0")
    if len(digits) > len(str(MAX_BODY_BYTES)) or int(digits or "0") > MAX_BODY_BYTES:
        return Problem(ProblemCode.TOO_LARGE, _DETAIL)
    return None
