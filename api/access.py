"""Who may ask, and what for."""

from __future__ import annotations

import hmac
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated

import structlog
from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from api.origins import Origins, Sender
from api.problem_codes import ProblemCode
from api.problems import Problem
from api.rates import ASKING, STARTING, charge
from domain.clients import ALL_SCOPES, Client, Scope
from domain.keys import LOCAL, OPERATOR, id_of_key

if TYPE_CHECKING:
    from adapters.database.clients import Clients
    from adapters.rate_limits import RateLimits

# How long a service without keys may not have heard of the first one: less than it takes to hand it to somebody.
KEYLESS_SECONDS = 1.0
_TRUE = frozenset({"1", "on", "t", "true", "y", "yes"})
_bearer = HTTPBearer(auto_error=False, description="An API key; not needed on a stack without keys.")


def _no_session(_: Request) -> str | None:
    return None


class Gatekeeper:
    """Lets requests in, and says whose they are.

    Without a key in the settings, and as long as no key was ever made in the catalog, nobody needs one: then only
    this machine is let in.

    Args:
        api_key: the operator's key, of the settings.
        public_url: where clients reach the API.
        clients: the catalog's keys.
        rates: counts what limited keys ask, and the wrong keys of each source.
        key_of_session: the key that a request without the header carries in another way, if it does.
    """

    def __init__(
        self,
        api_key: str | None,
        public_url: str,
        clients: Clients,
        rates: RateLimits,
        key_of_session: Callable[[Request], str | None] = _no_session,
    ) -> None:
        self._api_key = api_key
        self._origins = Origins(public_url)
        self._clients = clients
        self._rates = rates
        self.key_of_session = key_of_session
        self._any_keys = api_key is not None
        self._ask_again_at = 0.0

    async def client_of_key(self, key: str) -> Client | None:
        """The client whose key this is; none if it is nobody's, be it malformed, unknown or revoked.

        The catalog is asked each time, so that a revoked key is dead at once, but only for what looks like a key.

        Raises:
            DependencyUnavailable: the database does not answer.
        """
        if self._api_key is not None and hmac.compare_digest(_bytes(key), _bytes(self._api_key)):
            return Client(OPERATOR, ALL_SCOPES)
        key_id = id_of_key(key)
        if key_id is None:
            return None
        found = await self._clients.find(key_id)
        return found.opened_by(key) if found else None

    async def admit(self, request: Request, key: str | None, *, of_session: bool = False) -> Client:
        """Return the client that asks, by the key that came with the request.

        A right key is never refused, whoever else has sent wrong ones from the same address: behind a proxy all
        clients have one address, and one of them must not lock the others out.

        Args:
            request: what was asked.
            key: its key, from wherever; None if there is none.
            of_session: the key was in a session, which nobody but this API can have written: it is no guess.

        Raises:
            Problem: 401 without the right key, 429 after too many wrong ones from one source; 403 if no keys exist
                and the request is cross-origin or has a foreign ``Host`` (DNS rebinding).
            DependencyUnavailable: the database does not answer.
        """
        client = await self.client_of_key(key) if key is not None else None
        if client is not None:
            return client
        if await self._needs_keys():
            if key is not None and not of_session:
                await self._slow_down(request)
            raise Problem(
                ProblemCode.UNAUTHORIZED,
                "Send a valid API key: Authorization: Bearer <key>.",
                headers={"WWW-Authenticate": "Bearer"},
            )
        if not self._origins.is_own_name(request) or self._origins.sender(request) is Sender.FOREIGN_PAGE:
            raise Problem(
                ProblemCode.FOREIGN_HOST,
                "Without API keys, only requests from this machine, and to it by its own name, are let in.",
            )
        return Client(LOCAL, ALL_SCOPES)

    async def _slow_down(self, request: Request) -> None:
        # The peer's own address: a header about another one would let it choose a new one for each guess.
        source = request.client.host if request.client else ""
        wait = await self._rates.count_wrong_key(source)
        if wait is not None:
            raise Problem(
                ProblemCode.RATE_LIMITED,
                f"Too many wrong API keys came from this address. Ask again in {wait} s, or with a valid key.",
                headers={"Retry-After": str(wait)},
            )

    async def charge(self, request: Request, client: Client, cost: int = ASKING) -> None:
        """Have a client pay for its request, if its key is limited.

        Raises:
            Problem: 429, it has asked too much.
        """
        await charge(self._rates, request, client, cost)

    async def _needs_keys(self) -> bool:
        # A key that was made stays made, so that is asked only until there is one, and not at every request.
        now = time.monotonic()
        if not self._any_keys and now >= self._ask_again_at:
            self._any_keys = await self._clients.any_keys()
            self._ask_again_at = now + KEYLESS_SECONDS
        return self._any_keys


def _bytes(key: str) -> bytes:
    # Half a surrogate pair, which JSON and the environment can hold, has no other form in bytes.
    return key.encode("utf-8", "surrogatepass")


async def _client(
    request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
) -> Client:
    gatekeeper: Gatekeeper = request.app.state.gatekeeper
    key = credentials.credentials if credentials else gatekeeper.key_of_session(request)
    client = await gatekeeper.admit(request, key, of_session=credentials is None)
    structlog.contextvars.bind_contextvars(client=client.name)
    return client


def require(client: Client, scope: Scope) -> None:
    """Let a client go on if its key has a scope.

    Raises:
        Problem: 403, it has not.
    """
    if not client.may(scope):
        raise Problem(
            ProblemCode.FORBIDDEN, f"This key lacks the scope {scope}. Ask the operator for one that has it."
        )


def _with(scope: Scope, cost: int = ASKING) -> Callable[[Request, Client], Awaitable[Client]]:
    async def check(request: Request, client: Annotated[Client, Depends(_client)]) -> Client:
        gatekeeper: Gatekeeper = request.app.state.gatekeeper
        asks_for_download = request.query_params.get("auto_download", "").lower() in _TRUE
        await gatekeeper.charge(request, client, STARTING if asks_for_download else cost)
        require(client, scope)
        return client

    return check


# What routes ask for: the client, if its key lets it do what the route does and has not asked too much.
Reader = Annotated[Client, Depends(_with(Scope.READ))]
Downloader = Annotated[Client, Depends(_with(Scope.DOWNLOAD))]
Administrator = Annotated[Client, Depends(_with(Scope.ADMIN))]
# As a downloader, of a route that says itself what it costs.
Payer = Annotated[Client, Depends(_with(Scope.DOWNLOAD, 0))]
# As a downloader, of a route that may start something: it costs more.
Starter = Annotated[Client, Depends(_with(Scope.DOWNLOAD, STARTING))]
