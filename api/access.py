"""Who may ask."""

from __future__ import annotations

import hmac
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from api.problems import Problem

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_bearer = HTTPBearer(auto_error=False, description="An API key; not needed on a stack without keys.")


class Gatekeeper:
    """Lets requests in, and says whose they are.

    Args:
        api_key: the key that requests must carry; none on a stack that only this machine can reach.
        public_url: where clients reach the API.
    """

    def __init__(self, api_key: str | None, public_url: str) -> None:
        self._api_key = api_key
        self._hosts = _LOOPBACK | {urlsplit(public_url).hostname or ""}

    def admit(self, request: Request, key: str | None) -> str:
        """The name of the client that asks.

        Raises:
            Problem: 401 without the right key; 403 without keys, when a page from elsewhere asks, be it under its
                own name that it has had lead to this machine.
        """
        if self._api_key is None:
            if request.url.hostname not in self._hosts or self._is_from_elsewhere(request):
                raise Problem(
                    403,
                    "foreign_host",
                    "Without API keys, only requests from this machine, and to it by its own name, are let in.",
                )
            return "local"
        if key is None or not hmac.compare_digest(key.encode(), self._api_key.encode()):
            raise Problem(
                401,
                "unauthorized",
                "Send a valid API key: Authorization: Bearer <key>.",
                headers={"WWW-Authenticate": "Bearer"},
            )
        return "operator"

    def _is_from_elsewhere(self, request: Request) -> bool:
        # Browsers say where a request comes from; a page cannot make them say otherwise. Programs say nothing.
        if request.headers.get("sec-fetch-site") == "cross-site":
            return True
        origin = request.headers.get("origin")
        return origin is not None and _host_of(origin) not in self._hosts


def _host_of(origin: str) -> str | None:
    try:
        return urlsplit(origin).hostname
    except ValueError:
        return None


async def _client(
    request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
) -> str:
    gatekeeper: Gatekeeper = request.app.state.gatekeeper
    return gatekeeper.admit(request, credentials.credentials if credentials else None)


ClientName = Annotated[str, Depends(_client)]
