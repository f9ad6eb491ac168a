"""All requests of all workers to the court share one rate limit."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from types import SimpleNamespace

import pytest
from sqlalchemy import delete, select, update

from activities.court_rate_limiter import CourtRateLimiter
from adapters.court_pdpj import PdpjClient
from adapters.database import Database
from adapters.database.court_rate_limit import HORIZON_SECONDS, CourtRateLimitRepository
from adapters.database.deployment_tables import court_pace
from domain.errors import DependencyUnavailable, FailureCode, ProcessFailure
from domain.process_number import ProcessNumber
from tests.support.conditions import eventually
from tests.support.court_tokens import FixedTokens
from tests.support.numbers import fresh_number
from tests.support.simulators import SimulatedCourt

RATE = 40
HOUR = 3600.0


@pytest.fixture
async def slots(database: Database) -> CourtRateLimitRepository:
    """The repository of the rate limit, without any reserved slots."""
    async with database.writing() as connection:
        await connection.execute(delete(court_pace))
    return CourtRateLimitRepository(database)


@asynccontextmanager
async def another_worker(database_url: str) -> AsyncIterator[CourtRateLimitRepository]:
    """Open the same repository over its own connections."""
    database = Database(database_url)
    try:
        yield CourtRateLimitRepository(database)
    finally:
        await database.close()


async def no_operators_rate() -> float | None:
    """Return None: the operator has not set a rate."""
    return None


async def next_slot(database: Database) -> float:
    """Return when the next slot is, by the database's clock."""
    async with database.reading() as connection:
        return float((await connection.execute(select(court_pace.c.next_slot))).scalar_one())


async def acquire_one_after_another(rate_limiter: CourtRateLimiter, count: int) -> list[float]:
    """Acquire slots. Returns when each was acquired, in seconds of the monotonic clock."""
    times = []
    for _ in range(count):
        await rate_limiter.acquire()
        times.append(time.monotonic())
    return times


async def test_slots_of_all_workers_follow_each_other(
    slots: CourtRateLimitRepository, database: Database, database_url: str
) -> None:
    await slots.reserve(1, interval=0.05)
    first = await next_slot(database)
    async with another_worker(database_url) as others:
        waits = await asyncio.gather(*(each.reserve(2, interval=0.05) for each in (slots, others) * 5))
    assert None not in waits
    # Later if the test was slow: slots that have passed are lost.
    assert await next_slot(database) >= first + 20 * 0.05 - 1e-3


async def test_slots_are_by_the_databases_clock(slots: CourtRateLimitRepository, database: Database) -> None:
    before = time.time()
    assert await slots.reserve(1, interval=0.5) == 0
    assert before - 0.1 <= await next_slot(database) - 0.5 <= time.time() + 0.1
    due = await next_slot(database)
    before = time.time()
    wait = await slots.reserve(1, interval=0.5)
    assert wait is not None
    # A slow test may get there after the slot.
    assert max(due - time.time(), 0) - 0.1 <= wait <= max(due - before, 0) + 0.1


async def test_nothing_is_reserved_beyond_the_horizon(slots: CourtRateLimitRepository, database: Database) -> None:
    await slots.reserve(1, interval=HORIZON_SECONDS * 3)
    await slots.reserve(1, interval=HORIZON_SECONDS * 3)
    reserved = await next_slot(database)
    assert await slots.reserve(1, interval=HORIZON_SECONDS * 3) is None
    assert await next_slot(database) == reserved


async def test_a_clock_that_is_set_back_does_not_stop_requests(
    slots: CourtRateLimitRepository, database: Database
) -> None:
    await slots.reserve(1, interval=0.1)
    async with database.writing() as connection:
        await connection.execute(update(court_pace).values(next_slot=time.time() + HOUR))
    before = time.time()
    assert await slots.reserve(1, interval=0.1) == 0
    assert before - 0.1 <= await next_slot(database) - 0.1 <= time.time() + 0.1


async def test_requests_are_spaced_although_they_come_at_once(slots: CourtRateLimitRepository) -> None:
    rate_limiter = CourtRateLimiter(slots, RATE, no_operators_rate)
    times: list[float] = []

    async def request() -> None:
        await rate_limiter.acquire()
        times.append(time.monotonic())

    began = time.monotonic()
    await asyncio.gather(*(request() for _ in range(12)))
    # None is sent before its slot. The first may be sent late, so the time since then says nothing.
    assert all(at - began >= place / RATE for place, at in enumerate(times))
    assert all(earlier <= later for earlier, later in pairwise(times))


async def test_a_high_rate_costs_few_transactions(slots: CourtRateLimitRepository, database: Database) -> None:
    rate_limiter = CourtRateLimiter(slots, 2000, no_operators_rate)
    await acquire_one_after_another(rate_limiter, 4)
    before = database.transactions
    await acquire_one_after_another(rate_limiter, 400)
    assert database.transactions - before <= 40


async def test_requests_that_begin_together_again_and_again_do_not_wait_for_the_database(
    slots: CourtRateLimitRepository, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Put on by hand: a slow machine would let the slots pass that are reserved in advance.
    now = time.monotonic()
    monkeypatch.setattr("activities.court_rate_limiter.time", SimpleNamespace(monotonic=lambda: now))
    rate_limiter = CourtRateLimiter(slots, 2000, no_operators_rate)
    waits: list[int] = []

    async def nothing_is_being_reserved() -> bool:
        return rate_limiter._in_advance is None or rate_limiter._in_advance.done()

    for _ in range(4):
        before = database.transactions
        await rate_limiter.acquire()
        waits.append(database.transactions - before)
        await asyncio.gather(*(rate_limiter.acquire() for _ in range(15)))
        await eventually(nothing_is_being_reserved, "what is reserved in advance")
        # A court that answers all of them after this time.
        now += 0.3
    await rate_limiter.close()
    # The first two find nothing that was reserved for them.
    assert waits[2:] == [0, 0]


async def test_what_is_being_reserved_in_advance_ends_with_the_rate_limiter(
    slots: CourtRateLimitRepository,
) -> None:
    rate_limiter = CourtRateLimiter(slots, 2000, no_operators_rate)
    await rate_limiter.close()
    tasks = asyncio.all_tasks()
    await rate_limiter.acquire()
    assert len(asyncio.all_tasks() - tasks) == 1
    await rate_limiter.close()
    assert asyncio.all_tasks() == tasks


async def test_missed_slots_are_not_made_up_for_in_a_burst(slots: CourtRateLimitRepository) -> None:
    rate_limiter = CourtRateLimiter(slots, 200, no_operators_rate)
    await acquire_one_after_another(rate_limiter, 30)
    time.sleep(1)  # noqa: ASYNC251 - Blocks the whole worker, as when its machine is frozen.
    began = time.monotonic()
    times = await acquire_one_after_another(rate_limiter, 11)
    # The first may be sent late.
    assert all(at - began >= place / 200 for place, at in enumerate(times))


async def test_a_cancelled_waiter_does_not_delay_others(slots: CourtRateLimitRepository) -> None:
    rate_limiter = CourtRateLimiter(slots, 5, no_operators_rate)
    await rate_limiter.acquire()
    waiting = [asyncio.ensure_future(rate_limiter.acquire()) for _ in range(4)]
    await asyncio.sleep(0.05)
    for each in waiting[:3]:
        each.cancel()
    async with asyncio.timeout(30):
        await waiting[3]


async def test_the_operator_sets_another_rate_or_stops_all(
    slots: CourtRateLimitRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("activities.court_rate_limiter._RATE_CACHE_SECONDS", 0.1)
    rates: list[float | DependencyUnavailable | None] = [0.0]

    async def operators_rate() -> float | None:
        if isinstance(rates[-1], DependencyUnavailable):
            raise rates[-1]
        return rates[-1]

    rate_limiter = CourtRateLimiter(slots, 1, operators_rate)
    with pytest.raises(DependencyUnavailable, match="stopped all requests"):
        await rate_limiter.acquire()
    rates.append(200.0)
    # At the configured rate, they would take 40 seconds.
    async with asyncio.timeout(20):
        await rate_limiter.acquire()
        # Temporal is unavailable: the rate stays the same.
        rates.append(DependencyUnavailable("temporal", "Temporal does not answer."))
        await acquire_one_after_another(rate_limiter, 40)


async def test_without_the_database_nothing_is_sent(simulator: SimulatedCourt) -> None:
    database = Database("postgresql+asyncpg://nobody@127.0.0.1:1/none")
    rate_limiter = CourtRateLimiter(CourtRateLimitRepository(database), RATE, no_operators_rate)
    tokens = FixedTokens(await simulator.create_token())
    court = PdpjClient(
        simulator.origin, tokens=tokens, rate_limiter=rate_limiter, concurrency=1, user_agent="autos-tests"
    )
    try:
        with pytest.raises(DependencyUnavailable):
            await court.list_documents(ProcessNumber.parse(fresh_number()))
    finally:
        await court.close()
        await database.close()
    assert (await simulator.get_stats())["requests"] == 0


async def test_health_checks_of_two_workers_keep_the_rate_too(
    slots: CourtRateLimitRepository, database_url: str, simulator: SimulatedCourt
) -> None:
    token = await simulator.create_token()

    async def work(repository: CourtRateLimitRepository) -> None:
        rate_limiter = CourtRateLimiter(repository, RATE, no_operators_rate)
        court = PdpjClient(
            simulator.origin,
            tokens=FixedTokens(token),
            rate_limiter=rate_limiter,
            concurrency=4,
            user_agent="autos-tests",
        )
        failures = await asyncio.gather(
            *(court.list_documents(ProcessNumber.parse(fresh_number())) for _ in range(30)), return_exceptions=True
        )
        await court.close()
        for failure in failures:
            assert isinstance(failure, ProcessFailure)
            assert failure.code is FailureCode.LISTING_UNAVAILABLE

    async with another_worker(database_url) as others:
        # Arrivals are timed from here: the first may be late, so the time since then says nothing.
        await simulator.reset()
        await simulator.inject_fault("broken_details")
        await asyncio.gather(work(slots), work(others))

    counted = await simulator.get_stats()
    arrivals = [at for at, _ in counted["arrivals"]]
    searches = sum(1 for _, target in counted["arrivals"] if target == "search")
    assert searches >= 50
    # The requests of a second, plus those of the quarter of a second by which requests may be late.
    assert counted["max_per_second"] <= 1.4 * RATE
    assert len(arrivals) / arrivals[-1] <= RATE
