"""Rate limits per client (sliding window) and per source of wrong keys, in memory per API service."""

from __future__ import annotations

import time
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from math import ceil, floor

import structlog
from limits import RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import FixedWindowRateLimiter

_WINDOW_SECONDS = 60
# The library computes with seconds since 1970 as floats, which leaves few decimal places.
_CLOCK_ERROR_SECONDS = 0.001
_MAX_WRONG_KEYS = 20
# Sources are hashed to this many counters, so that no number of sources fills the memory. Two sources with the same
# counter are limited together. That locks out nobody who has a valid key.
_COUNTERS = 1024
# One subscriber usually gets an IPv6 network of this size, and can choose any address in it.
_IPV6_PREFIX = 64

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Allowance:
    """The state of a client's rate limit after a request.

    Attributes:
        limit: Cost units per minute.
        remaining: Units left now.
        resets_after: Seconds until the current window ends, at least 1.
        retry_after: Seconds after which the refused request would be allowed, if nothing else is spent meanwhile.
            None if the request was allowed.
    """

    limit: int
    remaining: int
    resets_after: int
    retry_after: int | None


class RateLimiter:
    """A sliding window rate limiter for clients, and a fixed window one for wrong keys.

    The sliding window counts per minute of the clock. The previous minute is weighted by the share of it that lies
    within the last sixty seconds. Refused requests cost nothing.

    Args:
        wrong_keys: Maximum number of wrong keys per source and minute.
    """

    def __init__(self, wrong_keys: int = _MAX_WRONG_KEYS) -> None:
        self._allowed_wrong_keys = RateLimitItemPerMinute(wrong_keys)
        self._spent = MemoryStorage()
        self._wrong_keys = FixedWindowRateLimiter(MemoryStorage())

    async def spend(self, client: str, cost: int, *, limit: int) -> Allowance:
        """Spend cost units of a client, if its limit allows it.

        Args:
            client: Name of the client.
            cost: Units to spend. More than the limit is reduced to the limit, so that even the smallest limit
                allows one request.
            limit: Maximum units per minute. Keys of one client with different limits share the same counter.
        """
        cost = min(cost, limit)
        granted = await self._spent.acquire_sliding_window_entry(client, limit, _WINDOW_SECONDS, amount=cost)
        previous, _, current, current_expires = await self._spent.get_sliding_window(client, _WINDOW_SECONDS)
        # A counter expires one minute after its window, because it is the previous window during that minute.
        seconds_left = current_expires - _WINDOW_SECONDS
        spent = floor(previous * seconds_left / _WINDOW_SECONDS + current)
        return Allowance(
            limit=limit,
            remaining=max(0, limit - spent),
            resets_after=max(1, ceil(seconds_left)),
            retry_after=None if granted else _seconds_until_allowed(limit - cost, previous, current, seconds_left),
        )

    async def count_wrong_key(self, source: str) -> int | None:
        """Count a wrong key against the IP address that sent it.

        Returns:
            Seconds until the source may try again. None while it is within its limit.
        """
        counter = str(hash(_network_of(source)) % _COUNTERS)
        granted = await self._wrong_keys.hit(self._allowed_wrong_keys, counter)
        stats = await self._wrong_keys.get_window_stats(self._allowed_wrong_keys, counter)
        if granted:
            if stats.remaining == 0:
                _log.warning("many wrong keys", source=source)
            return None
        return max(1, ceil(stats.reset_time - time.time()))


def _network_of(source: str) -> str:
    try:
        address = ip_address(source.partition("%")[0])
    except ValueError:
        return source
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(int(address) >> (128 - _IPV6_PREFIX))
    return str(address)


def _seconds_until_allowed(max_spent: int, previous: int, current: int, seconds_left: float) -> int:
    """Return the whole seconds until at most ``max_spent`` units count as spent.

    Args:
        max_spent: The units that may be spent for the request to be allowed.
        previous: Units spent in the previous window.
        current: Units spent in the current window.
        seconds_left: Seconds until the current window ends.
    """
    # The count is rounded down, so it has to fall below the next whole number.
    below = max_spent + 1
    if current < below:
        # The weight of the previous window falls enough before the current window ends.
        seconds = seconds_left - _WINDOW_SECONDS * (below - current) / max(1, previous)
    else:
        # The current window must become the previous one and lose weight.
        seconds = seconds_left + _WINDOW_SECONDS * (1 - below / current)
    return max(1, ceil(seconds + _CLOCK_ERROR_SECONDS))
