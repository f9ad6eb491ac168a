"""From our errors to Temporal's: the one place where it is said what is tried again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TypeVar

import structlog
from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from domain.errors import (
    CourtError,
    CourtFailure,
    DependencyUnavailable,
    FailureCode,
    StorageFailure,
    StoreUnavailable,
)

_log = structlog.get_logger()


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
def giving_up_on_defects(*, after_attempts: int) -> Iterator[None]:
    """Report an error that nobody expected as `internal_error` once the activity has been tried so often.

    A defect of ours would otherwise be tried for ever, and with it the run of a process that is well but for one
    document. Errors that are translated already pass through.
    """
    try:
        yield
    except ApplicationError:
        raise
    except Exception as error:
        _log.exception("defect", activity=activity.info().activity_type)
        if activity.info().attempt < after_attempts:
            raise
        kind = type(error).__name__
        raise ApplicationError(
            f"{FailureCode.INTERNAL_ERROR}: {kind}",
            f"The service failed by itself ({kind}).",
            type=FailureCode.INTERNAL_ERROR.value,
            non_retryable=True,
        ) from None


@contextmanager
def own_failures() -> Iterator[None]:
    """Translate trouble with our own parts into Temporal's errors, without causes that may hold addresses.

    A lost request is tried again for as long as it lasts: no document and no process is blamed for it. While the
    store takes no writes, trying again is up to the workflow, which waits until it does.
    """
    try:
        yield
    except StoreUnavailable as error:
        raise ApplicationError(
            str(error),
            error.answer,
            type=error.code.value,
            non_retryable=True,
            category=ApplicationErrorCategory.BENIGN,
        ) from None
    except (DependencyUnavailable, StorageFailure) as error:
        raise ApplicationError(str(error), type=type(error).__name__) from None
