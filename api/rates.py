"""How an answer tells a client where it stands with its rate limit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.problem_codes import ProblemCode
from api.problems import Problem
from domain.clients import Client

if TYPE_CHECKING:
    from adapters.rate_limits import Allowance, RateLimits

# What a request costs: any, and one that may start something.
ASKING = 1
STARTING = 10

_STATE = "allowance"


async def charge(rates: RateLimits, request: Request, client: Client, cost: int) -> None:
    """Have a client pay for a request, if its key is limited; the answer will tell what is left.

    Raises:
        Problem: 429, there is too little left; nothing was paid. One that costs nothing is never refused.
    """
    if client.requests_per_minute is None or cost == 0:
        return
    allowance = await rates.spend(client.name, cost, limit=client.requests_per_minute)
    setattr(request.state, _STATE, allowance)
    if allowance.retry_after is not None:
        raise Problem(
            ProblemCode.RATE_LIMITED,
            f"This key allows {allowance.limit} requests a minute, and one that may start something counts "
            f"{STARTING} times. Ask again in {allowance.retry_after} s.",
            headers={"Retry-After": str(allowance.retry_after)},
        )


class RateHeaders:
    """Puts the rate limit's state into the headers of each answer to a limited key."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and add the headers once somebody has paid for it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        state = scope.setdefault("state", {})

        async def send_with_rate(message: Message) -> None:
            allowance: Allowance | None = state.get(_STATE)
            if allowance is not None and message["type"] == "http.response.start":
                message["headers"] = [
                    *message["headers"],
                    (b"x-ratelimit-limit", str(allowance.limit).encode()),
                    (b"x-ratelimit-remaining", str(allowance.remaining).encode()),
                    (b"x-ratelimit-reset", str(allowance.resets_after).encode()),
                ]
            await send(message)

        await self._app(scope, receive, send_with_rate)
