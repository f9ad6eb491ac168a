"""Whose failure it is: the court's, or that of the one thing that was asked for.

An answer such as 403, 404 or 503, or none at all, may mean that the court is down, or that one document or process
is broken there or kept from us. One cheap question tells: a court that answers a search is well.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum, auto

from domain.errors import CourtFailure, FailureCode, ProcessFailure
from domain.process_number import ProcessNumber

_HOLDS_SECONDS = 2.0


class Finding(Enum):
    """What a search by number says of the process. The court is well in each case."""

    LISTED = auto()
    ABSENT = auto()
    OUT_OF_REACH = auto()


@dataclass(frozen=True, slots=True)
class Opinion:
    """What one question has told, and when, by the clock."""

    number: ProcessNumber
    told: Finding | CourtFailure
    given_at: float


@dataclass(slots=True)
class _Question:
    answer: asyncio.Task[Opinion]
    askers: int = 0


class SecondOpinion:
    """Asks the court whether it is well: one question at a time, shared by all who ask meanwhile.

    What it tells holds for two seconds, so that an outage with many requests under way costs one question.

    Args:
        search: searches for a process at the court, once, and gives the answer's JSON.
        clock: seconds that only grow.
    """

    def __init__(
        self,
        search: Callable[[ProcessNumber], Awaitable[object]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._search = search
        self._clock = clock
        self._latest: Opinion | None = None
        self._question: _Question | None = None

    async def of_court(self, number: ProcessNumber, *, sent_at: float = 0.0) -> CourtFailure | None:
        """What is wrong with the court, or none if it is well.

        Args:
            number: the process to search for, if a search is needed.
            sent_at: when the request was sent that has failed, by the clock: of trouble from before, the court may
                be well again.
        """
        told = (self._holding(sent_at) or await self._ask(number)).told
        return told if isinstance(told, CourtFailure) else None

    async def of_process(self, number: ProcessNumber, *, sent_at: float = 0.0) -> Finding | CourtFailure:
        """What is wrong with the court, or else what it says of this process; arguments as above."""
        opinion = self._holding(sent_at) or await self._ask(number)
        # A court that is well has told of one process only.
        while opinion.number != number and not isinstance(opinion.told, CourtFailure):
            opinion = await self._ask(number)
        return opinion.told

    def _holding(self, sent_at: float) -> Opinion | None:
        latest = self._latest
        if latest is None or self._clock() - latest.given_at >= _HOLDS_SECONDS:
            return None
        overtaken = isinstance(latest.told, CourtFailure) and latest.given_at < sent_at
        return None if overtaken else latest

    async def _ask(self, number: ProcessNumber) -> Opinion:
        if self._question is None:
            self._question = _Question(asyncio.create_task(self._answer(number)))
        question = self._question
        question.askers += 1
        try:
            await asyncio.wait({question.answer})
        finally:
            question.askers -= 1
            if self._question is question and (question.answer.done() or not question.askers):
                self._question = None
            # Whoever waits lends the question a place among the requests; without anybody it has none.
            if not question.askers:
                question.answer.cancel()
        self._latest = question.answer.result()
        return self._latest

    async def _answer(self, number: ProcessNumber) -> Opinion:
        return Opinion(number, await finding_of(self._search(number)), self._clock())


# Empty keys may be missing, so any of them will do.
_ENVELOPE = frozenset({"content", "total", "numberOfElements", "maxElementsSize"})
_FINDINGS = {FailureCode.NOT_FOUND: Finding.ABSENT, FailureCode.NO_ACCESS: Finding.OUT_OF_REACH}


async def finding_of(search: Awaitable[object]) -> Finding | CourtFailure:
    """What the answer to a search by number says; a failure that is the court's is given back, not raised."""
    try:
        found = await search
    except ProcessFailure as failure:
        finding = _FINDINGS.get(failure.code)
        if finding is None:
            return CourtFailure(
                FailureCode.COURT_UNAVAILABLE,
                failure.answer,
                status=failure.status,
                retry_after=failure.retry_after,
            )
        return finding
    except CourtFailure as failure:
        return failure
    if isinstance(found, dict) and not _ENVELOPE.isdisjoint(found):
        found = found.get("content") or []
    if isinstance(found, list):
        return Finding.LISTED if found else Finding.ABSENT
    return CourtFailure(FailureCode.COURT_UNAVAILABLE, "HTTP 200 with JSON that is no search's answer.")
