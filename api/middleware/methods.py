"""The methods that every address supports: HEAD wherever there is GET, OPTIONS, and a complete ``Allow``."""

from __future__ import annotations

from functools import lru_cache
from re import Pattern

from fastapi import FastAPI, Request
from fastapi.routing import iter_route_contexts
from starlette.datastructures import MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# Callers can send any word. Logs and metrics have these by their names, and all others as one.
KNOWN_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

_STATE_KEY = "is_head"


def is_head(request: Request) -> bool:
    """Return whether the client has sent HEAD, which the routes see as GET."""
    return bool(getattr(request.state, _STATE_KEY, False))


class Methods:
    """Middleware that answers HEAD with the headers of GET, and OPTIONS with the methods of the address.

    A route sees HEAD as GET. Routes whose GET does more than read ask `is_head`.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, HEAD as GET, and complete its answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif scope["method"] == "HEAD":
            await self._answer_head(scope, receive, send)
        elif scope["method"] == "OPTIONS" and (allowed := _allowed_methods(scope)):
            await Response(status_code=204, headers={"Allow": allowed})(scope, receive, send)
        else:
            await self._app(scope, receive, _with_allow(scope, send))

    async def _answer_head(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope.setdefault("state", {})[_STATE_KEY] = True
        as_get = {**scope, "method": "GET"}

        def share_routing() -> None:
            # The middleware around this one reads what routing has found out.
            scope.update({**as_get, "method": "HEAD"})

        async def send_head(message: Message) -> None:
            if message["type"] == "http.response.start":
                share_routing()
                await send(message)
            elif message["type"] == "http.response.body":
                await send({**message, "body": b""})

        try:
            await self._app(as_get, receive, _with_allow(scope, send_head))
        except Exception:
            # The answer to a bug is written outside this middleware.
            share_routing()
            raise


def _with_allow(scope: Scope, send: Send) -> Send:
    """Return ``send`` that completes ``Allow``: the router names the methods of one route only."""

    async def send_complete(message: Message) -> None:
        if message["type"] == "http.response.start" and message["status"] == 405:
            MutableHeaders(scope=message)["Allow"] = _allowed_methods(scope)
        await send(message)

    return send_complete


def _allowed_methods(scope: Scope) -> str:
    """Return the methods of an address as in ``Allow``. Empty if there is nothing at this address."""
    methods = next((found for pattern, found in _routes(scope["app"]) if pattern.match(scope["path"])), None)
    if methods is None:
        return ""
    return ", ".join(sorted(methods | {"OPTIONS"} | ({"HEAD"} if "GET" in methods else set())))


@lru_cache(maxsize=1)
def _routes(app: FastAPI) -> tuple[tuple[Pattern[str], set[str]], ...]:
    """Return the methods of each path, in the router's order: a fixed path comes before one with a parameter."""
    methods: dict[Pattern[str], set[str]] = {}
    for context in iter_route_contexts(app.routes):
        methods.setdefault(context.path_regex, set()).update(context.methods or ())
    return tuple(methods.items())
