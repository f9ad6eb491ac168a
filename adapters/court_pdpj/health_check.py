"""Whose failure it is: the court's, or that of the one thing that was asked for.

An answer such as 403, 404 or 503, or none at all, may mean that the court is down, or that one document or process
is broken there or kept from us. One cheap search by number tells: a court that answers it works.
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


class SearchOutcome(Enum):
    """What a search by number says of the process. The court works in each case."""

    LISTED = auto()
    ABSENT = auto()
    OUT_OF_REACH = auto()


@dataclass(frozen=True, slots=True)
class _Result:
    number: ProcessNumber
    outcome: SearchOutcome | CourtFailure
    known_at: float


class HealthCheck:
    """Searches for a process to see whether the court works: one search at a time, shared by all who wait for it.

    A result holds for two seconds, so that an outage with many requests under way costs one search.

    Args:
        search: Searches for a process at the court, once, and returns the answer's JSON.
        clock: Returns seconds that only grow.
    """

    def __init__(
        self,
        search: Callable[[ProcessNumber], Awaitable[object]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._search = search
        self._clock = clock
        # The latest comes first.
        self._results: list[_Result] = []
        self._searching = asyncio.Lock()

    async def of_court(self, number: ProcessNumber, *, sent_at: float = 0.0) -> CourtFailure | None:
        """Return what is wrong with the court. None if it works.

        Args:
            number: The process to search for, if a search is needed.
            sent_at: When the request was sent that has failed, by the clock. An outage from before may be over.
        """
        outcome = await self._run(number, sent_at, of_process=False)
        return outcome if isinstance(outcome, CourtFailure) else None

    async def of_process(self, number: ProcessNumber, *, sent_at: float = 0.0) -> SearchOutcome | CourtFailure:
        """Return what is wrong with the court, or else what it says of this process. Arguments as above."""
        return await self._run(number, sent_at, of_process=True)

    async def _run(
        self, number: ProcessNumber, sent_at: float, *, of_process: bool
    ) -> SearchOutcome | CourtFailure:
        async with self._searching:
            self._results = [result for result in self._results if self._clock() - result.known_at < _HOLDS_SECONDS]
            for result in self._results:
                if isinstance(result.outcome, CourtFailure):
                    tells = result.known_at >= sent_at
                else:
                    # A court that works has told of one process only.
                    tells = result.number == number or not of_process
                if tells:
                    return result.outcome
            outcome = await classify_search(self._search(number))
            self._results.insert(0, _Result(number, outcome, self._clock()))
            return outcome


# Empty keys may be missing, so any of them will do.
_ENVELOPE = frozenset({"content", "total", "numberOfElements", "maxElementsSize"})
_OUTCOMES = {FailureCode.NOT_FOUND: SearchOutcome.ABSENT, FailureCode.NO_ACCESS: SearchOutcome.OUT_OF_REACH}


async def classify_search(search: Awaitable[object]) -> SearchOutcome | CourtFailure:
    """Return what the answer to a search by number says. A failure of the court is returned, not raised."""
    try:
        found = await search
    except ProcessFailure as failure:
        return _OUTCOMES.get(failure.code) or CourtFailure(
            FailureCode.COURT_UNAVAILABLE, failure.answer, status=failure.status, retry_after=failure.retry_after
        )
    except CourtFailure as failure:
        return failure
    if isinstance(found, dict) and not _ENVELOPE.isdisjoint(found):
        found = found.get("content") or []
    if isinstance(found, list):
        return SearchOutcome.LISTED if found else SearchOutcome.ABSENT
    return CourtFailure(FailureCode.COURT_UNAVAILABLE, "HTTP 200 with JSON that is no search's answer.")
