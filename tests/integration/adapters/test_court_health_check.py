"""The health check: one shared search, whose result is cached for a short time."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from adapters.court_pdpj import PdpjClient
from adapters.court_pdpj.health_check import HealthCheck, SearchOutcome
from domain.errors import CourtError, CourtFailure, FailureCode, ProcessFailure
from domain.process_number import ProcessNumber
from tests.support.conditions import eventually
from tests.support.court_rate_limiters import CountingRateLimiter
from tests.support.court_sources import fetched, source_at
from tests.support.court_tokens import FixedTokens
from tests.support.portal_json import NUMBER, href_of
from tests.support.scripted_server import ReceivedRequest, answer, scripted

FIRST = ProcessNumber.parse("1000001-51.2026.8.11.0041")
SECOND = ProcessNumber.parse("1000002-36.2026.8.11.0041")
DOWN = CourtFailure(FailureCode.COURT_UNAVAILABLE, "HTTP 503")
WRONG_PATH = ProcessFailure(FailureCode.INVALID_LISTING, "HTTP 404")
HITS = {"total": 1, "content": [{}]}
IN_FLIGHT = 16


class Court:
    """A court whose searches are answered when the test says so."""

    def __init__(self, *answers: object) -> None:
        self.answers = list(answers)
        self.asked: list[ProcessNumber] = []
        self.open = asyncio.Event()
        self.open.set()
        self.now = 0.0

    async def search(self, number: ProcessNumber) -> object:
        """Return the next answer, or the last one again."""
        self.asked.append(number)
        await self.open.wait()
        response = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(response, Exception):
            raise response
        return response

    def health_check(self) -> HealthCheck:
        """Return a health check with the test's clock."""
        return HealthCheck(self.search, clock=lambda: self.now)


async def start_waiting(court: Court, *callers: Coroutine[Any, Any, object]) -> list[asyncio.Task[object]]:
    """Start all of these calls, and wait until the court has received a search."""
    court.open.clear()
    tasks = [asyncio.create_task(asker) for asker in callers]

    async def asked() -> bool:
        return bool(court.asked)

    await eventually(asked, "a search")
    return tasks


@pytest.mark.parametrize(
    ("response", "outcome"),
    [
        (HITS, SearchOutcome.LISTED),
        ([{}], SearchOutcome.LISTED),
        ({"content": []}, SearchOutcome.ABSENT),
        ({"content": None, "numberOfElements": 0}, SearchOutcome.ABSENT),
        ({"numberOfElements": 0}, SearchOutcome.ABSENT),
        ([], SearchOutcome.ABSENT),
        (ProcessFailure(FailureCode.NOT_FOUND, "HTTP 404"), SearchOutcome.ABSENT),
        (ProcessFailure(FailureCode.NO_ACCESS, "HTTP 403"), SearchOutcome.OUT_OF_REACH),
    ],
)
async def test_a_court_that_answers_a_search_works(response: object, outcome: SearchOutcome) -> None:
    check = Court(response).health_check()
    assert await check.check_court(FIRST) is None
    assert await check.search_process(FIRST) is outcome


@pytest.mark.parametrize(
    "response", [DOWN, WRONG_PATH, {}, {"status": "MANUTENCAO"}, {"content": "x"}, "x", 1, None, True]
)
async def test_any_other_response_is_a_failure_of_the_court(response: object) -> None:
    check = Court(response).health_check()
    trouble = await check.check_court(FIRST)
    assert trouble is not None
    assert trouble.code is FailureCode.COURT_UNAVAILABLE
    assert await check.search_process(FIRST) is trouble


@pytest.mark.parametrize("response", [DOWN, HITS])
async def test_concurrent_callers_share_one_search(response: object) -> None:
    court = Court(response)
    check = court.health_check()
    callers = await start_waiting(court, *(check.check_court(each) for each in (FIRST, SECOND) * 8))
    court.open.set()
    assert set(await asyncio.gather(*callers)) == {response if response is DOWN else None}
    assert court.asked == [FIRST]


async def test_a_result_is_cached_for_two_seconds() -> None:
    court = Court(DOWN, HITS)
    check = court.health_check()
    assert await check.check_court(FIRST) is DOWN
    court.now = 1.9
    assert await check.check_court(SECOND) is DOWN
    assert await check.search_process(SECOND) is DOWN
    court.now = 2.0
    assert await check.check_court(FIRST) is None
    assert court.asked == [FIRST, FIRST]


async def test_an_older_failure_does_not_count_for_a_newer_request_but_an_older_success_does() -> None:
    court = Court(DOWN, HITS, DOWN)
    check = court.health_check()
    assert await check.check_court(FIRST, sent_at=0.0) is DOWN
    court.now = 1.0
    assert await check.check_court(FIRST, sent_at=0.5) is None
    court.now = 1.5
    assert await check.check_court(FIRST, sent_at=1.2) is None
    assert court.asked == [FIRST, FIRST]


async def test_only_a_search_for_a_process_says_whether_it_is_listed() -> None:
    court = Court(HITS, {"content": []}, HITS)
    check = court.health_check()
    assert await check.search_process(FIRST) is SearchOutcome.LISTED
    assert await check.search_process(SECOND) is SearchOutcome.ABSENT
    assert court.asked == [FIRST, SECOND]


async def test_callers_search_for_their_own_process_only_if_the_court_works() -> None:
    for response, questions in ((DOWN, 1), (HITS, 2)):
        court = Court(response)
        check = court.health_check()
        callers = await start_waiting(
            court, *(check.search_process(each) for each in (FIRST, SECOND, FIRST, SECOND))
        )
        court.open.set()
        await asyncio.gather(*callers)
        assert len(court.asked) == questions


async def test_a_caller_that_waited_for_a_cancelled_search_searches_itself() -> None:
    court = Court(DOWN)
    check = court.health_check()
    first, second = await start_waiting(court, check.check_court(FIRST), check.check_court(SECOND))
    first.cancel()
    court.open.set()
    assert await second is DOWN
    assert first.cancelled()
    assert court.asked == [FIRST, SECOND]


async def test_a_search_whose_only_caller_is_cancelled_is_discarded() -> None:
    court = Court(DOWN, HITS)
    check = court.health_check()
    [only] = await start_waiting(court, check.check_court(FIRST))
    only.cancel()
    await asyncio.wait({only})
    court.open.set()
    assert await check.check_court(SECOND) is DOWN
    assert court.asked == [FIRST, SECOND]


async def test_an_unexpected_error_is_not_cached() -> None:
    court = Court(LookupError("ours"), HITS)
    check = court.health_check()
    with pytest.raises(LookupError):
        await check.check_court(FIRST)
    assert await check.check_court(FIRST) is None


@pytest.mark.parametrize("status", [403, 404, 500, 503])
async def test_an_outage_with_many_requests_in_flight_costs_one_search(
    status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # On a slow machine, the last of them may fail long after the search.
    monkeypatch.setattr("adapters.court_pdpj.health_check._RESULT_TTL_SECONDS", 60.0)
    all_there = asyncio.Barrier(IN_FLIGHT)

    async def outage(asked: ReceivedRequest, writer: asyncio.StreamWriter) -> None:
        if "documentos" in asked.target:
            await all_there.wait()
        writer.write(answer(status))

    async with scripted(outage) as server:
        court = PdpjClient(
            server.origin,
            tokens=FixedTokens("a-token"),
            rate_limiter=CountingRateLimiter(),
            concurrency=IN_FLIGHT,
            user_agent="autos-tests",
        )
        hrefs = (href_of(f"0f1e2d3c-4b5a-5678-9abc-def0123456{place:02}") for place in range(IN_FLIGHT))
        outcomes = await asyncio.gather(
            *(fetched(court, source_at(NUMBER, href)) for href in hrefs), return_exceptions=True
        )
        await court.close()
    assert {type(outcome) for outcome in outcomes} == {CourtFailure}
    searches = [target for target in server.targets if "documentos" not in target]
    assert (len(server.targets), len(searches)) == (IN_FLIGHT + 1, 1)


async def test_the_search_counts_against_the_concurrency_limit() -> None:
    in_flight = max_in_flight = 0

    async def busy(_: ReceivedRequest, writer: asyncio.StreamWriter) -> None:
        nonlocal in_flight, max_in_flight
        in_flight += 1
        max_in_flight = max(max_in_flight, in_flight)
        for _turn in range(5):
            await asyncio.sleep(0)
        in_flight -= 1
        writer.write(answer(503))

    async with scripted(busy) as server:
        court = PdpjClient(
            server.origin,
            tokens=FixedTokens("a-token"),
            rate_limiter=CountingRateLimiter(),
            concurrency=1,
            user_agent="autos-tests",
        )
        source = source_at(NUMBER, href_of("0f1e2d3c-4b5a-5678-9abc-def012345678"))
        async with asyncio.timeout(10):
            outcomes = await asyncio.gather(*(fetched(court, source) for _ in range(4)), return_exceptions=True)
        await court.close()
    assert all(isinstance(outcome, CourtError) for outcome in outcomes)
    assert max_in_flight == 1
