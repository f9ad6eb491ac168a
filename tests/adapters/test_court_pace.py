"""Every request to the court counts against one rate, whichever worker sends it and for whatever purpose."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise

import pytest
from sqlalchemy import delete, select, update

from activities.court_pace import CourtPace
from adapters.court_pdpj import PdpjCourt
from adapters.database import Database
from adapters.database.court_pace import HORIZON_SECONDS, CourtPaceRepository
from adapters.database.tables import court_pace
from domain.errors import DependencyUnavailable, FailureCode, ProcessFailure
from domain.process_number import ProcessNumber
from tests.support.court_tokens import GivenTokens
from tests.support.numbers import fresh_number
from tests.support.simulators import SimulatedCourt

RATE = 40
HOUR = 3600.0


@pytest.fixture
async def slots(database: Database) -> CourtPaceRepository:
    """Slots of which none are reserved."""
    async with database.writing() as connection:
        await connection.execute(delete(court_pace))
    return CourtPaceRepository(database)


@asynccontextmanager
async def another_worker(database_url: str) -> AsyncIterator[CourtPaceRepository]:
    """The same slots, over connections of their own."""
    database = Database(database_url)
    try:
        yield CourtPaceRepository(database)
    finally:
        await database.close()


async def no_other_rate() -> float | None:
    """Return that the operator has set nothing."""
    return None


async def next_slot(database: Database) -> float:
    """Return when the next slot is, by the database's clock."""
    async with database.reading() as connection:
        return float((await connection.execute(select(court_pace.c.next_slot))).scalar_one())


async def take_one_after_another(pace: CourtPace, count: int) -> list[float]:
    """Take slots; gives the moments at which each was had."""
    moments = []
    for _ in range(count):
        await pace.take()
        moments.append(time.monotonic())
    return moments


async def test_slots_of_all_workers_follow_each_other(
    slots: CourtPaceRepository, database: Database, database_url: str
) -> None:
    await slots.reserve(1, interval=0.05)
    first = await next_slot(database)
    async with another_worker(database_url) as others:
        waits = await asyncio.gather(*(each.reserve(2, interval=0.05) for each in (slots, others) * 5))
    assert None not in waits
    # Later, if the test was held up: slots that have passed are lost.
    assert await next_slot(database) >= first + 20 * 0.05 - 1e-3


async def test_the_clock_is_the_databases(slots: CourtPaceRepository, database: Database) -> None:
    before = time.time()
    assert await slots.reserve(1, interval=0.5) == 0
    assert before - 0.1 <= await next_slot(database) - 0.5 <= time.time() + 0.1
    assert await slots.reserve(1, interval=0.5) == pytest.approx(0.5, abs=0.2)


async def test_nothing_is_reserved_beyond_the_horizon(slots: CourtPaceRepository, database: Database) -> None:
    await slots.reserve(1, interval=HORIZON_SECONDS * 3)
    await slots.reserve(1, interval=HORIZON_SECONDS * 3)
    reserved = await next_slot(database)
    assert await slots.reserve(1, interval=HORIZON_SECONDS * 3) is None
    assert await next_slot(database) == reserved


async def test_a_clock_that_is_set_back_stops_nobody(slots: CourtPaceRepository, database: Database) -> None:
    await slots.reserve(1, interval=0.1)
    async with database.writing() as connection:
        await connection.execute(update(court_pace).values(next_slot=time.time() + HOUR))
    assert await slots.reserve(1, interval=0.1) == 0
    assert await next_slot(database) == pytest.approx(time.time() + 0.1, abs=1)


async def test_requests_are_spaced_although_they_come_at_once(slots: CourtPaceRepository) -> None:
    pace = CourtPace(slots, RATE, no_other_rate)
    moments: list[float] = []

    async def request() -> None:
        await pace.take()
        moments.append(time.monotonic())

    await asyncio.gather(*(request() for _ in range(12)))
    assert moments[-1] - moments[0] >= 11 / RATE
    assert all(earlier <= later for earlier, later in pairwise(moments))


async def test_a_high_rate_costs_few_transactions(slots: CourtPaceRepository, database: Database) -> None:
    pace = CourtPace(slots, 2000, no_other_rate)
    await take_one_after_another(pace, 4)
    before = database.transactions
    await take_one_after_another(pace, 400)
    assert database.transactions - before <= 40


async def test_slots_that_were_slept_through_are_not_made_up_for(slots: CourtPaceRepository) -> None:
    pace = CourtPace(slots, 200, no_other_rate)
    await take_one_after_another(pace, 30)
    time.sleep(1)  # noqa: ASYNC251 - The whole worker stands still, as when its machine is frozen.
    moments = await take_one_after_another(pace, 11)
    assert moments[-1] - moments[0] >= 10 / 200


async def test_whoever_stops_waiting_holds_nobody_up(slots: CourtPaceRepository) -> None:
    pace = CourtPace(slots, 5, no_other_rate)
    await pace.take()
    waiting = [asyncio.ensure_future(pace.take()) for _ in range(4)]
    await asyncio.sleep(0.05)
    for each in waiting[:3]:
        each.cancel()
    async with asyncio.timeout(HORIZON_SECONDS):
        await waiting[3]


async def test_the_operator_sets_another_rate_or_stops_all(
    slots: CourtPaceRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("activities.court_pace._RATE_FRESH_SECONDS", 0.1)
    rates: list[float | DependencyUnavailable | None] = [0.0]

    async def operators_rate() -> float | None:
        if isinstance(rates[-1], DependencyUnavailable):
            raise rates[-1]
        return rates[-1]

    pace = CourtPace(slots, 1, operators_rate)
    with pytest.raises(DependencyUnavailable, match="stopped all requests"):
        await pace.take()
    rates.append(200.0)
    async with asyncio.timeout(2):
        await pace.take()
        # Temporal is away: the rate stays what it was.
        rates.append(DependencyUnavailable("temporal", "Temporal does not answer."))
        await take_one_after_another(pace, 40)


async def test_without_the_database_nothing_is_sent(simulator: SimulatedCourt) -> None:
    database = Database("postgresql+asyncpg://nobody@127.0.0.1:1/none")
    pace = CourtPace(CourtPaceRepository(database), RATE, no_other_rate)
    tokens = GivenTokens(await simulator.token())
    court = PdpjCourt(simulator.origin, tokens=tokens, pace=pace, concurrency=1, user_agent="autos-tests")
    try:
        with pytest.raises(DependencyUnavailable):
            await court.list_documents(ProcessNumber.parse(fresh_number()))
    finally:
        await court.close()
        await database.close()
    assert (await simulator.stats())["requests"] == 0


async def test_second_opinions_of_two_workers_keep_the_rate_too(
    slots: CourtPaceRepository, database_url: str, simulator: SimulatedCourt
) -> None:
    token = await simulator.token()
    await simulator.fault("broken_details")

    async def work(repository: CourtPaceRepository) -> None:
        pace = CourtPace(repository, RATE, no_other_rate)
        court = PdpjCourt(
            simulator.origin, tokens=GivenTokens(token), pace=pace, concurrency=4, user_agent="autos-tests"
        )
        failures = await asyncio.gather(
            *(court.list_documents(ProcessNumber.parse(fresh_number())) for _ in range(30)), return_exceptions=True
        )
        await court.close()
        for failure in failures:
            assert isinstance(failure, ProcessFailure)
            assert failure.code is FailureCode.LISTING_UNAVAILABLE

    async with another_worker(database_url) as others:
        await asyncio.gather(work(slots), work(others))

    counted = await simulator.stats()
    arrivals = [at for at, _ in counted["arrivals"]]
    searches = sum(1 for _, target in counted["arrivals"] if target == "search")
    assert searches >= 50
    # What comes in a second, and in the quarter of a second that requests may be late.
    assert counted["max_per_second"] <= 1.4 * RATE
    assert len(arrivals) / (arrivals[-1] - arrivals[0]) <= RATE
