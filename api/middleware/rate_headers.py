"""Rate limits of API keys: what a request costs, and the headers that show the limit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.problems.codes import ProblemCode
from api.problems.problem import Problem
from domain.clients import Client

if TYPE_CHECKING:
    from adapters.security.rate_limits import Allowance, RateLimiter

# Units of the limit that a request costs: any request, and one that may start a run.
READ_COST = 1
START_COST = 10
_NUMBERS_PER_COST_UNIT = 10

_STATE_KEY = "allowance"


def batch_cost(numbers: int) -> int:
    """Return what a batch of so many processes costs."""
    return START_COST + numbers // _NUMBERS_PER_COST_UNIT


async def charge(rate_limiter: RateLimiter, request: Request, client: Client, cost: int) -> None:
    """Charge a client for a request, if its key is limited. The answer's headers show what is left.

    Raises:
        Problem: 429, too little is left; nothing was charged. A cost of 0 is never refused.
    """
    if client.requests_per_minute is None or cost == 0:
        return
    allowance = await rate_limiter.spend(client.name, cost, limit=client.requests_per_minute)
    setattr(request.state, _STATE_KEY, allowance)
    if allowance.retry_after is not None:
        raise Problem(
            ProblemCode.RATE_LIMITED,
            f"This key allows {allowance.limit} requests a minute. A request that may start a run counts as "
            f"{START_COST}. Try again in {allowance.retry_after} s.",
            headers={"Retry-After": str(allowance.retry_after)},
        )


class RateHeaders:
    """Middleware that adds the state of the rate limit to the headers of each answer to a limited key."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and add the headers if it was charged."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        state = scope.setdefault("state", {})

        async def send_with_rate(message: Message) -> None:
            allowance: Allowance | None = state.get(_STATE_KEY)
            if allowance is not None and message["type"] == "http.response.start":
                message["headers"] = [
                    *message["headers"],
                    (b"x-ratelimit-limit", str(allowance.limit).encode()),
                    (b"x-ratelimit-remaining", str(allowance.remaining).encode()),
                    (b"x-ratelimit-reset", str(allowance.resets_after).encode()),
                ]
            await send(message)

        await self._app(scope, receive, send_with_rate)
