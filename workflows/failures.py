"""What an activity's failure says, read back inside a workflow."""

from __future__ import annotations

from dataclasses import dataclass

from temporalio.exceptions import ActivityError, ApplicationError

from domain.errors import FailureCode


@dataclass(frozen=True, slots=True)
class ReportedFailure:
    """A failure at the court, as the activity reported it."""

    code: FailureCode
    answer: str
    retry_after: float | None


def reported(error: ActivityError) -> ReportedFailure | None:
    """The court's failure behind an activity's, or none if it was something else, such as a time-out."""
    cause = error.cause
    if not isinstance(cause, ApplicationError) or cause.type not in frozenset(FailureCode):
        return None
    answer, retry_after = (*cause.details, "", None)[:2]
    return ReportedFailure(
        code=FailureCode(cause.type),
        answer=str(answer),
        retry_after=float(retry_after) if isinstance(retry_after, int | float) else None,
    )
