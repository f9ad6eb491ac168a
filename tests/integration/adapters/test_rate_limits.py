"""How much each client may ask, and when again."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from limits.aio.storage import memory

from adapters.security.rate_limits import RateLimiter

# The beginning of a minute.
NOON = 1_800_000_000.0


class Clock:
    """A clock that is put on by hand."""

    def __init__(self) -> None:
        self.now = NOON

    def time(self) -> float:
        """Seconds since 1970."""
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock that the limits go by."""
    clock = Clock()
    monkeypatch.setattr(memory, "time", SimpleNamespace(time=clock.time))
    return clock


async def test_a_client_spends_what_it_has_and_no_more(clock: Clock) -> None:
    rates = RateLimiter()
    clock.now += 15
    granted = [await rates.spend("desk", 1, limit=3) for _ in range(3)]
    refused = await rates.spend("desk", 1, limit=3)

    assert [each.remaining for each in granted] == [2, 1, 0]
    assert {each.retry_after for each in granted} == {None}
    assert {each.resets_after for each in (*granted, refused)} == {45}
    assert (refused.remaining, refused.retry_after) == (0, 46)


async def test_of_many_at_once_as_many_are_granted_as_there_is_room_for(clock: Clock) -> None:
    rates = RateLimiter()
    found = await asyncio.gather(*(rates.spend("desk", 10, limit=95) for _ in range(50)))

    assert sum(each.retry_after is None for each in found) == 9


async def test_the_minute_before_counts_by_its_share(clock: Clock) -> None:
    rates = RateLimiter()
    for _ in range(60):
        await rates.spend("desk", 1, limit=60)
    clock.now += 90

    assert (await rates.spend("desk", 10, limit=60)).remaining == 20
    assert (await rates.spend("archive", 10, limit=60)).remaining == 50


async def test_the_smallest_limit_lets_one_through(clock: Clock) -> None:
    rates = RateLimiter()

    assert (await rates.spend("desk", 10, limit=1)).retry_after is None
    assert (await rates.spend("desk", 1, limit=1)).retry_after is not None


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    limit=st.integers(1, 40),
    steps=st.lists(st.tuples(st.floats(0, 70), st.sampled_from([1, 10]), st.integers(1, 40)), max_size=12),
    cost=st.sampled_from([1, 10]),
)
async def test_what_is_refused_is_granted_when_it_was_promised_and_not_long_before(
    clock: Clock, limit: int, steps: list[tuple[float, int, int]], cost: int
) -> None:
    rates = RateLimiter()
    for seconds, each, times in steps:
        clock.now += seconds
        for _ in range(times):
            await rates.spend("desk", each, limit=limit)
    refused = await rates.spend("desk", cost, limit=limit)
    if refused.retry_after is None:
        return
    clock.now += refused.retry_after - 1.01
    if refused.retry_after > 1:
        assert (await rates.spend("desk", cost, limit=limit)).retry_after is not None
    clock.now += 1.01
    assert (await rates.spend("desk", cost, limit=limit)).retry_after is None
