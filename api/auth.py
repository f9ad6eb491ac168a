"""Authentication and authorization of requests."""

from __future__ import annotations

import hmac
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import structlog
from fastapi import Request

from api.middleware.rate_headers import READ_COST, charge
from api.origins import Origins, Sender
from api.problems.codes import ProblemCode
from api.problems.problem import Problem
from domain.clients import ALL_SCOPES, Client, Scope
from domain.keys import LOCAL, OPERATOR, KeyExpired, parse_key_id

if TYPE_CHECKING:
    from adapters.database.clients import ClientRepository
    from adapters.security.rate_limits import RateLimiter

# How long a service without keys may overlook the first key: less than it takes to hand that key to somebody.
KEYLESS_SECONDS = 1.0

_log = structlog.get_logger()


def _no_session(_: Request) -> str | None:
    return None


class Authenticator:
    """Authenticates requests by their API key.

    As long as the settings have no key and none was ever created in the catalog, no key is needed. Then only
    requests from this machine are accepted.

    Args:
        api_key: The operator's key, from the settings.
        public_url: Where clients reach the API.
        clients: The keys in the catalog.
        rate_limiter: Counts the requests of limited keys, and the wrong keys of each address.
        key_of_session: Returns the key of a request's session, or None.
    """

    def __init__(
        self,
        api_key: str | None,
        public_url: str,
        clients: ClientRepository,
        rate_limiter: RateLimiter,
        key_of_session: Callable[[Request], str | None] = _no_session,
    ) -> None:
        self._api_key = api_key
        self._origins = Origins(public_url)
        self._clients = clients
        self._rate_limiter = rate_limiter
        self.key_of_session = key_of_session
        self._any_keys = api_key is not None
        self._recheck_keys_at = 0.0

    async def find_client(self, key: str) -> Client | None:
        """Return the client that a key belongs to. None if the key is malformed, unknown or revoked.

        The catalog is read each time, so that a revoked key stops working at once, but only for text in the form of
        a key.

        Raises:
            KeyExpired: The key has expired.
            DependencyUnavailable: The database does not answer.
        """
        if self._api_key is not None and hmac.compare_digest(_to_bytes(key), _to_bytes(self._api_key)):
            return Client(OPERATOR, ALL_SCOPES)
        key_id = parse_key_id(key)
        if key_id is None:
            return None
        record = await self._clients.find_key(key_id)
        if record is None:
            return None
        now = datetime.now(UTC)
        if record.is_text(key) and not record.is_valid(now):
            # Only for whoever has the key: guesses write no lines.
            _log.info("key refused", key_id=record.id, client=record.client, reason=record.state_at(now).value)
        client = record.verify(key, now)
        if client is not None:
            self._clients.note_use(record)
        return client

    async def authenticate(self, request: Request, key: str | None, *, of_session: bool = False) -> Client:
        """Return the client that sent a request.

        A valid key is never refused because of wrong keys from the same address: behind a proxy all clients have
        one address, and one of them must not lock out the others.

        Args:
            request: The request.
            key: Its key, or None.
            of_session: The key is from a session cookie, which only this API can have written: it is not a guess.

        Raises:
            Problem: 401 without a valid key or with an expired one, 429 after too many wrong ones from one address.
                403 if no keys exist and the request is cross-origin or has a foreign ``Host`` (DNS rebinding).
            DependencyUnavailable: The database does not answer.
        """
        try:
            client = await self.find_client(key) if key is not None else None
        except KeyExpired as error:
            raise _unauthorized(str(error)) from None
        if client is not None:
            return client
        if await self._needs_keys():
            if key is not None and not of_session:
                await self._count_wrong_key(request)
            raise _unauthorized("Send a valid API key: Authorization: Bearer <key>.")
        if not self._origins.is_own_name(request) or self._origins.sender(request) is Sender.FOREIGN_PAGE:
            raise Problem(
                ProblemCode.FOREIGN_HOST,
                "Without API keys, only requests from this machine to one of its own names are accepted.",
            )
        return Client(LOCAL, ALL_SCOPES)

    async def charge(self, request: Request, client: Client, cost: int = READ_COST) -> None:
        """Charge a client for its request, if its key has a rate limit.

        Raises:
            Problem: 429, the limit is exceeded.
        """
        await charge(self._rate_limiter, request, client, cost)

    async def _count_wrong_key(self, request: Request) -> None:
        # The peer's address, or what a proxy of AUTOS_TRUSTED_PROXIES says of it. Believing anybody's forwarding
        # header would let a client choose a new address for each guess.
        address = request.client.host if request.client else ""
        wait = await self._rate_limiter.count_wrong_key(address)
        if wait is not None:
            raise Problem(
                ProblemCode.RATE_LIMITED,
                f"Too many wrong API keys came from this address. Try again in {wait} s, or with a valid key.",
                headers={"Retry-After": str(wait)},
            )

    async def _needs_keys(self) -> bool:
        # Once a key has been created, the answer stays True and the catalog is not read again. Before that, it is
        # read once a second and not for every request.
        now = time.monotonic()
        if not self._any_keys and now >= self._recheck_keys_at:
            self._any_keys = await self._clients.has_keys()
            self._recheck_keys_at = now + KEYLESS_SECONDS
        return self._any_keys


def require_scope(client: Client, scope: Scope) -> None:
    """Raise unless the client's key has a scope.

    Raises:
        Problem: 403, it does not.
    """
    if not client.may(scope):
        raise Problem(
            ProblemCode.FORBIDDEN, f"This key lacks the scope {scope}. Ask the operator for a key that has it."
        )


def _unauthorized(detail: str) -> Problem:
    return Problem(ProblemCode.UNAUTHORIZED, detail, headers={"WWW-Authenticate": "Bearer"})


def _to_bytes(key: str) -> bytes:
    # JSON and environment variables can contain lone surrogates, which have no other encoding.
    return key.encode("utf-8", "surrogatepass")
