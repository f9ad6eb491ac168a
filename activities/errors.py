"""Map domain errors to Temporal's. The only place that decides what Temporal retries."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TypeVar

import structlog
from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from domain.errors import (
    BundleRefused,
    CourtError,
    CourtFailure,
    DependencyUnavailable,
    FailureCode,
    ProcessErased,
    StorageFailure,
    StoreUnavailable,
)

_log = structlog.get_logger()


def non_retryable(error: CourtError) -> ApplicationError:
    """Return an error that Temporal does not retry. The workflow reads the code and decides.

    Its type is the failure's code. Its details are the court's answer and its ``Retry-After`` in seconds. A failure
    of the court is benign, so that it stays out of our error metrics.
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


def retryable(error: CourtError, *, retry_in: timedelta) -> ApplicationError:
    """Return an error after which Temporal retries the activity with the given delay."""
    return ApplicationError(
        str(error),
        error.answer,
        error.retry_after,
        type=error.code.value,
        next_retry_delay=retry_in,
        category=ApplicationErrorCategory.BENIGN,
    )


def at_capacity(why: str, *, retry_in: timedelta) -> ApplicationError:
    """Return an error for an activity that did nothing because a limit is reached. It is not a failure."""
    return ApplicationError(
        why, type="Crowded", next_retry_delay=retry_in, category=ApplicationErrorCategory.BENIGN
    )


def refusal(error: StoreUnavailable | BundleRefused) -> ApplicationError:
    """Return an error that Temporal does not retry. Its type is the code, its detail the answer.

    It is benign, so that it stays out of our error metrics.
    """
    return ApplicationError(
        str(error),
        error.answer,
        type=error.code.value,
        non_retryable=True,
        category=ApplicationErrorCategory.BENIGN,
    )


_CourtErrorT = TypeVar("_CourtErrorT", bound=CourtError)


def attribute_to(failure: CourtFailure, kind: type[_CourtErrorT], code: FailureCode) -> _CourtErrorT:
    """Return what looked like the court's failure as a failure of the requested process or document."""
    return kind(
        code,
        f"{failure.answer}; the court works otherwise.",
        status=failure.status,
        retry_after=failure.retry_after,
    )


@contextmanager
def giving_up_on_defects(*, after_attempts: int) -> Iterator[None]:
    """Turn an unexpected error into a non-retryable `internal_error` after the given number of attempts.

    Otherwise Temporal would retry a defect of ours for ever, and the run would never end although only one document
    is affected. Errors that are translated already pass through.
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
def translating_infrastructure_errors() -> Iterator[None]:
    """Translate errors of the database, Temporal and the store, without their causes, which may contain URLs.

    Temporal retries such an activity for as long as the error lasts: no document and no process is blamed. While
    the store takes no writes, the error is non-retryable: the workflow waits until the store takes writes again.
    So is the error of a process that was erased.
    """
    try:
        yield
    except StoreUnavailable as error:
        raise refusal(error) from None
    except ProcessErased as error:
        raise ApplicationError(
            str(error), type=error.code, non_retryable=True, category=ApplicationErrorCategory.BENIGN
        ) from None
    except (DependencyUnavailable, StorageFailure) as error:
        raise ApplicationError(str(error), type=type(error).__name__) from None
