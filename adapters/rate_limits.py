"""How much each client asks, and who sends wrong keys: counted in this process's memory."""

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
# Shares of a minute are taken of seconds since 1970, which leaves few digits behind the point.
_CLOCK_ERROR_SECONDS = 0.001
_WRONG_KEYS = 20
# Sources share so many counters, so that no number of them fills the memory. Two that share one are slowed
# together, which keeps nobody out who has a key.
_COUNTERS = 1024
# What one subscriber is given of IPv6, and may choose any address of.
_IPV6_PREFIX = 64

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Allowance:
    """How a client stands after a request.

    Attributes:
        limit: what it may spend in a minute.
        remaining: what is left of that now.
        resets_after: seconds until the minute that is counted now has passed, at least 1.
        retry_after: seconds after which what was refused is granted, if nothing else is spent meanwhile; none if it
            was granted.
    """

    limit: int
    remaining: int
    resets_after: int
    retry_after: int | None


class RateLimits:
    """Counts what clients spend, each by its name.

    Spending is counted by minutes of the clock; the minute before counts by the share of it that lies within the
    last sixty seconds. What is refused costs nothing.

    Args:
        wrong_keys: how many wrong keys one source may send in a minute.
    """

    def __init__(self, wrong_keys: int = _WRONG_KEYS) -> None:
        self._allowed_wrong_keys = RateLimitItemPerMinute(wrong_keys)
        self._spent = MemoryStorage()
        self._wrong_keys = FixedWindowRateLimiter(MemoryStorage())

    async def spend(self, client: str, cost: int, *, limit: int) -> Allowance:
        """Spend something, if the limit has room for it.

        Args:
            client: who spends.
            cost: how much; one above the limit takes all of it, so that the smallest limit still lets one through.
            limit: what may be spent in a minute; several limits of one client count the same spending.
        """
        cost = min(cost, limit)
        granted = await self._spent.acquire_sliding_window_entry(client, limit, _WINDOW_SECONDS, amount=cost)
        before, _, present, present_expires = await self._spent.get_sliding_window(client, _WINDOW_SECONDS)
        # An entry outlives its minute by another, in which it is the one before.
        rest = present_expires - _WINDOW_SECONDS
        spent = floor(before * rest / _WINDOW_SECONDS + present)
        return Allowance(
            limit=limit,
            remaining=max(0, limit - spent),
            resets_after=max(1, ceil(rest)),
            retry_after=None if granted else _seconds_until_room(limit - cost, before, present, rest),
        )

    async def count_wrong_key(self, source: str) -> int | None:
        """Count a wrong key against the address that it came from.

        Returns:
            None while the source keeps within what is allowed in a minute, else the seconds until it may try again.
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


def _seconds_until_room(most: int, before: int, present: int, rest: float) -> int:
    """Whole seconds until no more than ``most`` is counted as spent."""
    # What is counted is rounded down, so it has to fall below the next whole number.
    below = most + 1
    if present < below:
        # The minute before fades enough while this one lasts.
        seconds = rest - _WINDOW_SECONDS * (below - present) / max(1, before)
    else:
        # This one has to fade, in the next.
        seconds = rest + _WINDOW_SECONDS * (1 - below / present)
    return max(1, ceil(seconds + _CLOCK_ERROR_SECONDS))
