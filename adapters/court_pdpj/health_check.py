"""Does the court fail, or only the one resource that was requested?

A response such as 403, 404 or 503, or none at all, may mean that the court is down, or that one document or process
is broken there or hidden from us. One cheap search by process number decides: a court that answers it works.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum, auto

from domain.errors import CourtFailure, FailureCode, ProcessFailure
from domain.process_number import ProcessNumber

_RESULT_TTL_SECONDS = 2.0


class SearchOutcome(Enum):
    """What a search by number says about the process. In each case the court works."""

    LISTED = auto()
    ABSENT = auto()
    OUT_OF_REACH = auto()


@dataclass(frozen=True, slots=True)
class _Result:
    number: ProcessNumber
    outcome: SearchOutcome | CourtFailure
    finished_at: float


class HealthCheck:
    """Searches for a process to see whether the court works: one search at a time, shared by all waiting callers.

    A result is cached for two seconds, so that an outage with many requests in flight costs one search.

    Args:
        search: Sends one search for a process to the court, and returns the response's JSON.
        clock: Returns seconds of a monotonic clock.
    """

    def __init__(
        self,
        search: Callable[[ProcessNumber], Awaitable[object]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._search = search
        self._clock = clock
        # The latest result comes first.
        self._results: list[_Result] = []
        self._lock = asyncio.Lock()

    async def check_court(self, number: ProcessNumber, *, sent_at: float = 0.0) -> CourtFailure | None:
        """Return the court's failure. None if the court works.

        Args:
            number: The process to search for, if a search is needed.
            sent_at: When the failed request was sent, in seconds of the clock. An outage found before that may be
                over, so it does not count.
        """
        outcome = await self._run(number, sent_at, about_process=False)
        return outcome if isinstance(outcome, CourtFailure) else None

    async def search_process(self, number: ProcessNumber, *, sent_at: float = 0.0) -> SearchOutcome | CourtFailure:
        """Return the court's failure, or what it says about this process. Arguments as in `check_court`."""
        return await self._run(number, sent_at, about_process=True)

    async def _run(
        self, number: ProcessNumber, sent_at: float, *, about_process: bool
    ) -> SearchOutcome | CourtFailure:
        async with self._lock:
            self._results = [
                result for result in self._results if self._clock() - result.finished_at < _RESULT_TTL_SECONDS
            ]
            for result in self._results:
                if isinstance(result.outcome, CourtFailure):
                    is_usable = result.finished_at >= sent_at
                else:
                    # A successful search says that the court works, but describes one process only.
                    is_usable = result.number == number or not about_process
                if is_usable:
                    return result.outcome
            outcome = await classify_search(self._search(number))
            self._results.insert(0, _Result(number, outcome, self._clock()))
            return outcome


# The court omits empty keys, so any one of them identifies the envelope.
_ENVELOPE_KEYS = frozenset({"content", "total", "numberOfElements", "maxElementsSize"})
_OUTCOMES = {FailureCode.NOT_FOUND: SearchOutcome.ABSENT, FailureCode.NO_ACCESS: SearchOutcome.OUT_OF_REACH}


async def classify_search(search: Awaitable[object]) -> SearchOutcome | CourtFailure:
    """Await a search by number and classify its response. A failure of the court is returned, not raised."""
    try:
        payload = await search
    except ProcessFailure as failure:
        return _OUTCOMES.get(failure.code) or CourtFailure(
            FailureCode.COURT_UNAVAILABLE, failure.answer, status=failure.status, retry_after=failure.retry_after
        )
    except CourtFailure as failure:
        return failure
    if isinstance(payload, dict) and not _ENVELOPE_KEYS.isdisjoint(payload):
        payload = payload.get("content") or []
    if isinstance(payload, list):
        return SearchOutcome.LISTED if payload else SearchOutcome.ABSENT
    return CourtFailure(FailureCode.COURT_UNAVAILABLE, "HTTP 200 with JSON that is not a search result.")
