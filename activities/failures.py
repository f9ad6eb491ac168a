"""From our errors to Temporal's: the one place where it is said what is tried again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TypeVar

from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from domain.errors import CourtError, CourtFailure, DependencyUnavailable, FailureCode, StorageFailure


def final(error: CourtError) -> ApplicationError:
    """A failure that this activity does not try again; the workflow reads the code and decides.

    Its type is the failure's code; its details are what the court answered and how long it asked us to wait.
    Trouble at the court is nobody's fault here and stays out of the error metrics.
    """
    return ApplicationError(
        str(error),
        error.answer,
        error.retry_after,
        type=error.code.value,
        non_retryable=True,
        category=ApplicationErrorCategory.BENIGN
        if isinstance(error, CourtFailure)
        else ApplicationErrorCategory.UNSPECIFIED,
    )


def passing(error: CourtError, *, next_attempt_in: timedelta) -> ApplicationError:
    """A failure after which the activity is tried again at the given time."""
    return ApplicationError(
        str(error),
        error.answer,
        error.retry_after,
        type=error.code.value,
        next_retry_delay=next_attempt_in,
        category=ApplicationErrorCategory.BENIGN,
    )


def crowded(why: str, *, come_again_in: timedelta) -> ApplicationError:
    """That there is no room for something now: no failure, and nothing was done."""
    return ApplicationError(
        why, type="Crowded", next_retry_delay=come_again_in, category=ApplicationErrorCategory.BENIGN
    )


_Blamed = TypeVar("_Blamed", bound=CourtError)


def blamed(failure: CourtFailure, kind: type[_Blamed], code: FailureCode) -> _Blamed:
    """What looked like the court's failure, as that of the one thing that was asked for."""
    return kind(
        code,
        f"{failure.answer}; the court is well otherwise.",
        status=failure.status,
        retry_after=failure.retry_after,
    )


@contextmanager
def own_failures() -> Iterator[None]:
    """Report trouble with our own parts under its name, without the chain of causes that may hold addresses.

    Such a failure is tried again for as long as it lasts: no document and no process is blamed for it.
    """
    try:
        yield
    except (DependencyUnavailable, StorageFailure) as error:
        raise ApplicationError(str(error), type=type(error).__name__) from None
