"""Whose failure it is: one search, shared, whose result holds for a short while."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from adapters.court_pdpj import PdpjCourt
from adapters.court_pdpj.health_check import HealthCheck, SearchOutcome
from domain.errors import CourtError, CourtFailure, FailureCode, ProcessFailure
from domain.process_number import ProcessNumber
from tests.support.conditions import eventually
from tests.support.court_paces import CountingPace
from tests.support.court_sources import fetched, source_at
from tests.support.court_tokens import GivenTokens
from tests.support.portal_json import NUMBER, href_of
from tests.support.scripted_server import Asked, answer, scripted

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
        """The next answer; the last one again and again."""
        self.asked.append(number)
        await self.open.wait()
        told = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(told, Exception):
            raise told
        return told

    def health_check(self) -> HealthCheck:
        """A health check by the test's clock."""
        return HealthCheck(self.search, clock=lambda: self.now)


async def waiting(court: Court, *askers: Coroutine[Any, Any, object]) -> list[asyncio.Task[object]]:
    """Have all of these ask, until the court has been asked."""
    court.open.clear()
    tasks = [asyncio.create_task(asker) for asker in askers]

    async def asked() -> bool:
        return bool(court.asked)

    await eventually(asked, "a question")
    return tasks


@pytest.mark.parametrize(
    ("told", "finding"),
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
async def test_a_court_that_answers_a_search_is_well(told: object, finding: SearchOutcome) -> None:
    check = Court(told).health_check()
    assert await check.of_court(FIRST) is None
    assert await check.of_process(FIRST) is finding


@pytest.mark.parametrize(
    "told", [DOWN, WRONG_PATH, {}, {"status": "MANUTENCAO"}, {"content": "x"}, "x", 1, None, True]
)
async def test_any_other_answer_is_the_courts_trouble(told: object) -> None:
    check = Court(told).health_check()
    trouble = await check.of_court(FIRST)
    assert trouble is not None
    assert trouble.code is FailureCode.COURT_UNAVAILABLE
    assert await check.of_process(FIRST) is trouble


@pytest.mark.parametrize("told", [DOWN, HITS])
async def test_all_who_ask_at_once_share_one_question(told: object) -> None:
    court = Court(told)
    check = court.health_check()
    askers = await waiting(court, *(check.of_court(each) for each in (FIRST, SECOND) * 8))
    court.open.set()
    assert set(await asyncio.gather(*askers)) == {told if told is DOWN else None}
    assert court.asked == [FIRST]


async def test_what_was_told_holds_for_two_seconds() -> None:
    court = Court(DOWN, HITS)
    check = court.health_check()
    assert await check.of_court(FIRST) is DOWN
    court.now = 1.9
    assert await check.of_court(SECOND) is DOWN
    assert await check.of_process(SECOND) is DOWN
    court.now = 2.0
    assert await check.of_court(FIRST) is None
    assert court.asked == [FIRST, FIRST]


async def test_trouble_from_before_a_request_says_nothing_of_it_and_a_well_court_does() -> None:
    court = Court(DOWN, HITS, DOWN)
    check = court.health_check()
    assert await check.of_court(FIRST, sent_at=0.0) is DOWN
    court.now = 1.0
    assert await check.of_court(FIRST, sent_at=0.5) is None
    court.now = 1.5
    assert await check.of_court(FIRST, sent_at=1.2) is None
    assert court.asked == [FIRST, FIRST]


async def test_of_a_process_only_a_search_for_it_tells() -> None:
    court = Court(HITS, {"content": []}, HITS)
    check = court.health_check()
    assert await check.of_process(FIRST) is SearchOutcome.LISTED
    assert await check.of_process(SECOND) is SearchOutcome.ABSENT
    assert court.asked == [FIRST, SECOND]


async def test_those_who_share_another_ones_question_ask_their_own_only_if_the_court_is_well() -> None:
    for told, questions in ((DOWN, 1), (HITS, 2)):
        court = Court(told)
        check = court.health_check()
        askers = await waiting(court, *(check.of_process(each) for each in (FIRST, SECOND, FIRST, SECOND)))
        court.open.set()
        await asyncio.gather(*askers)
        assert len(court.asked) == questions


async def test_who_waited_for_a_search_that_is_cancelled_searches_itself() -> None:
    court = Court(DOWN)
    check = court.health_check()
    first, second = await waiting(court, check.of_court(FIRST), check.of_court(SECOND))
    first.cancel()
    court.open.set()
    assert await second is DOWN
    assert first.cancelled()
    assert court.asked == [FIRST, SECOND]


async def test_a_question_that_nobody_waits_for_is_dropped() -> None:
    court = Court(DOWN, HITS)
    check = court.health_check()
    [only] = await waiting(court, check.of_court(FIRST))
    only.cancel()
    await asyncio.wait({only})
    court.open.set()
    assert await check.of_court(SECOND) is DOWN
    assert court.asked == [FIRST, SECOND]


async def test_an_error_of_our_own_is_no_result() -> None:
    court = Court(LookupError("ours"), HITS)
    check = court.health_check()
    with pytest.raises(LookupError):
        await check.of_court(FIRST)
    assert await check.of_court(FIRST) is None


@pytest.mark.parametrize("status", [403, 404, 500, 503])
async def test_an_outage_with_many_requests_under_way_costs_one_question(status: int) -> None:
    all_there = asyncio.Barrier(IN_FLIGHT)

    async def outage(asked: Asked, writer: asyncio.StreamWriter) -> None:
        if "documentos" in asked.target:
            await all_there.wait()
        writer.write(answer(status))

    async with scripted(outage) as server:
        court = PdpjCourt(
            server.origin,
            tokens=GivenTokens("a-token"),
            pace=CountingPace(),
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


async def test_the_question_is_asked_within_the_requests_allowed() -> None:
    under_way = most = 0

    async def busy(_: Asked, writer: asyncio.StreamWriter) -> None:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        for _turn in range(5):
            await asyncio.sleep(0)
        under_way -= 1
        writer.write(answer(503))

    async with scripted(busy) as server:
        court = PdpjCourt(
            server.origin,
            tokens=GivenTokens("a-token"),
            pace=CountingPace(),
            concurrency=1,
            user_agent="autos-tests",
        )
        source = source_at(NUMBER, href_of("0f1e2d3c-4b5a-5678-9abc-def012345678"))
        async with asyncio.timeout(10):
            outcomes = await asyncio.gather(*(fetched(court, source) for _ in range(4)), return_exceptions=True)
        await court.close()
    assert all(isinstance(outcome, CourtError) for outcome in outcomes)
    assert most == 1
