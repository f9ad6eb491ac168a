"""Whose failure it is: asked once, shared, and believed for a short while."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from adapters.court_pdpj import PdpjCourt
from adapters.court_pdpj.second_opinion import Finding, SecondOpinion
from domain.errors import CourtError, CourtFailure, FailureCode, ProcessFailure
from domain.process_number import ProcessNumber
from tests.support.conditions import eventually
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

    def opinion(self) -> SecondOpinion:
        """An opinion by the test's clock."""
        return SecondOpinion(self.search, clock=lambda: self.now)


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
        (HITS, Finding.LISTED),
        ([{}], Finding.LISTED),
        ({"content": []}, Finding.ABSENT),
        ({"content": None, "numberOfElements": 0}, Finding.ABSENT),
        ({"numberOfElements": 0}, Finding.ABSENT),
        ([], Finding.ABSENT),
        (ProcessFailure(FailureCode.NOT_FOUND, "HTTP 404"), Finding.ABSENT),
        (ProcessFailure(FailureCode.NO_ACCESS, "HTTP 403"), Finding.OUT_OF_REACH),
    ],
)
async def test_a_court_that_answers_a_search_is_well(told: object, finding: Finding) -> None:
    opinion = Court(told).opinion()
    assert await opinion.of_court(FIRST) is None
    assert await opinion.of_process(FIRST) is finding


@pytest.mark.parametrize(
    "told", [DOWN, WRONG_PATH, {}, {"status": "MANUTENCAO"}, {"content": "x"}, "x", 1, None, True]
)
async def test_any_other_answer_is_the_courts_trouble(told: object) -> None:
    opinion = Court(told).opinion()
    trouble = await opinion.of_court(FIRST)
    assert trouble is not None
    assert trouble.code is FailureCode.COURT_UNAVAILABLE
    assert await opinion.of_process(FIRST) is trouble


@pytest.mark.parametrize("told", [DOWN, HITS])
async def test_all_who_ask_at_once_share_one_question(told: object) -> None:
    court = Court(told)
    opinion = court.opinion()
    askers = await waiting(court, *(opinion.of_court(each) for each in (FIRST, SECOND) * 8))
    court.open.set()
    assert set(await asyncio.gather(*askers)) == {told if told is DOWN else None}
    assert court.asked == [FIRST]


async def test_what_was_told_holds_for_two_seconds() -> None:
    court = Court(DOWN, HITS)
    opinion = court.opinion()
    assert await opinion.of_court(FIRST) is DOWN
    court.now = 1.9
    assert await opinion.of_court(SECOND) is DOWN
    assert await opinion.of_process(SECOND) is DOWN
    court.now = 2.0
    assert await opinion.of_court(FIRST) is None
    assert court.asked == [FIRST, FIRST]


async def test_trouble_from_before_a_request_says_nothing_of_it_and_a_well_court_does() -> None:
    court = Court(DOWN, HITS, DOWN)
    opinion = court.opinion()
    assert await opinion.of_court(FIRST, sent_at=0.0) is DOWN
    court.now = 1.0
    assert await opinion.of_court(FIRST, sent_at=0.5) is None
    court.now = 1.5
    assert await opinion.of_court(FIRST, sent_at=1.2) is None
    assert court.asked == [FIRST, FIRST]


async def test_of_a_process_only_a_search_for_it_tells() -> None:
    court = Court(HITS, {"content": []}, HITS)
    opinion = court.opinion()
    assert await opinion.of_process(FIRST) is Finding.LISTED
    assert await opinion.of_process(SECOND) is Finding.ABSENT
    assert court.asked == [FIRST, SECOND]


async def test_those_who_share_another_ones_question_ask_their_own_only_if_the_court_is_well() -> None:
    for told, questions in ((DOWN, 1), (HITS, 2)):
        court = Court(told)
        opinion = court.opinion()
        askers = await waiting(court, *(opinion.of_process(each) for each in (FIRST, SECOND, FIRST, SECOND)))
        court.open.set()
        await asyncio.gather(*askers)
        assert len(court.asked) == questions


async def test_a_question_goes_on_while_somebody_waits_for_it() -> None:
    court = Court(DOWN)
    opinion = court.opinion()
    first, second = await waiting(court, opinion.of_court(FIRST), opinion.of_court(SECOND))
    first.cancel()
    court.open.set()
    assert await second is DOWN
    assert first.cancelled()
    assert court.asked == [FIRST]


async def test_a_question_that_nobody_waits_for_is_dropped() -> None:
    court = Court(DOWN, HITS)
    opinion = court.opinion()
    [only] = await waiting(court, opinion.of_court(FIRST))
    only.cancel()
    await asyncio.wait({only})
    court.open.set()
    assert await opinion.of_court(SECOND) is DOWN
    assert court.asked == [FIRST, SECOND]


async def test_what_goes_wrong_on_our_own_side_reaches_all() -> None:
    court = Court(LookupError("ours"))
    opinion = court.opinion()
    askers = await waiting(court, opinion.of_court(FIRST), opinion.of_court(SECOND))
    court.open.set()
    outcomes = await asyncio.gather(*askers, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [LookupError, LookupError]


@pytest.mark.parametrize("status", [403, 404, 500, 503])
async def test_an_outage_with_many_requests_under_way_costs_one_question(status: int) -> None:
    all_there = asyncio.Barrier(IN_FLIGHT)

    async def outage(asked: Asked, writer: asyncio.StreamWriter) -> None:
        if "documentos" in asked.target:
            await all_there.wait()
        writer.write(answer(status))

    async with scripted(outage) as server:
        court = PdpjCourt(
            server.origin, tokens=GivenTokens("a-token"), concurrency=IN_FLIGHT, user_agent="autos-tests"
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
        court = PdpjCourt(server.origin, tokens=GivenTokens("a-token"), concurrency=1, user_agent="autos-tests")
        source = source_at(NUMBER, href_of("0f1e2d3c-4b5a-5678-9abc-def012345678"))
        async with asyncio.timeout(10):
            outcomes = await asyncio.gather(*(fetched(court, source) for _ in range(4)), return_exceptions=True)
        await court.close()
    assert all(isinstance(outcome, CourtError) for outcome in outcomes)
    assert most == 1
