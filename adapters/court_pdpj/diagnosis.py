"""Turn the failure of one request into that of the court, the process or the document.

The response alone is often not enough, so a second request, the `HealthCheck`, decides whether the court works.
"""

from __future__ import annotations

from adapters.court_pdpj.error_mapping import AmbiguousFailure
from adapters.court_pdpj.health_check import HealthCheck, SearchOutcome
from adapters.court_pdpj.tokens import TokenSource
from domain.errors import (
    CourtError,
    CourtFailure,
    CourtKnownUnavailable,
    DocumentFailure,
    FailureCode,
    ProcessFailure,
)
from domain.process_number import ProcessNumber


class FailureDiagnosis:
    """Decides whose failure it is. Every ``sent_at`` is when the failed request was sent, as in `HealthCheck`.

    Args:
        health_check: Tells whether the court works.
        tokens: Told when a rejected token turns out to be good.
    """

    def __init__(self, health_check: HealthCheck, tokens: TokenSource) -> None:
        self._health_check = health_check
        self._tokens = tokens

    async def diagnose_listing(self, number: ProcessNumber, failure: CourtFailure, sent_at: float) -> CourtError:
        """Return the failure that it is when the details of a process are not available."""
        if _is_certain(failure):
            return failure
        outcome = await self._health_check.search_process(number, sent_at=sent_at)
        if isinstance(outcome, CourtFailure):
            return _with_longer_wait(failure, outcome)
        await self._clear_token(failure)
        code = _code_if_healthy(failure, FailureCode.LISTING_UNAVAILABLE)
        explanation = "a search for the process is answered"
        if outcome is SearchOutcome.OUT_OF_REACH:
            code, explanation = FailureCode.NO_ACCESS, "a search says that the process is out of reach"
        # For a process that is missing in the data lake, the details endpoint returns 500 where 404 is meant.
        elif outcome is SearchOutcome.ABSENT and failure.status == 500:
            code, explanation = FailureCode.NOT_FOUND, "a search finds no such process"
        return ProcessFailure(
            code, f"{failure.answer}; {explanation}.", status=failure.status, retry_after=failure.retry_after
        )

    async def diagnose_document(self, number: ProcessNumber, failure: CourtFailure, sent_at: float) -> CourtError:
        """Return the failure that it is when the response for a document looks like a failure of the court."""
        if _is_certain(failure):
            return failure
        court_failure = await self._health_check.check_court(number, sent_at=sent_at)
        if court_failure:
            return _with_longer_wait(failure, court_failure)
        await self._clear_token(failure)
        return DocumentFailure(
            _code_if_healthy(failure, FailureCode.SOURCE_UNAVAILABLE),
            f"{failure.answer}; the court answers other requests.",
            status=failure.status,
            retry_after=failure.retry_after,
        )

    async def blame_court_if_down(self, number: ProcessNumber, failure: CourtError, sent_at: float) -> CourtError:
        """Return the failure unchanged if the court works, or else as a failure of the court."""
        court_failure = await self._health_check.check_court(number, sent_at=sent_at)
        if court_failure is None:
            return failure
        return _with_longer_wait(CourtFailure(FailureCode.COURT_UNAVAILABLE, failure.answer), court_failure)

    async def _clear_token(self, failure: CourtFailure) -> None:
        # The court has accepted the token for the search, so the token was not the cause.
        if failure.code is FailureCode.CREDENTIALS_REJECTED:
            await self._tokens.mark_accepted()


def _is_certain(failure: CourtFailure) -> bool:
    """Return whether it is the court's failure without any health check."""
    return isinstance(failure, CourtKnownUnavailable) or failure.code is FailureCode.COURT_THROTTLED


def _code_if_healthy(failure: CourtFailure, default: FailureCode) -> FailureCode:
    return failure.code_if_healthy if isinstance(failure, AmbiguousFailure) else default


def _with_longer_wait(first: CourtFailure, second: CourtFailure) -> CourtFailure:
    """Return the first failure, with the longer `retry_after` of the two."""
    waits = [failure.retry_after for failure in (first, second) if failure.retry_after is not None]
    return CourtFailure(first.code, first.answer, status=first.status, retry_after=max(waits, default=None))
