"""Decide what an activity's failure means: the one place where workflows do so."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from enum import Enum, auto

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from domain.errors import FailureCode, FailureScope, ProcessErased


class Blame(Enum):
    """What a failure is attributed to."""

    CANCELLATION = auto()
    COURT = auto()
    STORE = auto()
    # The document or the process that the activity worked on.
    SUBJECT = auto()
    DEFECT = auto()


@dataclass(frozen=True, slots=True)
class JudgedFailure:
    """What an activity's failure means.

    Attributes:
        code: The reported code; `internal_error` for a cancellation or a defect.
        answer: What the court or the store answered, or what went wrong here.
    """

    blame: Blame
    code: FailureCode
    answer: str


def is_cancel_requested() -> bool:
    """Return whether the cancellation of the run was requested.

    An activity that completes although its run was cancelled swallows the cancellation on its way.
    """
    return workflow.cancellation_reason() is not None


def judge_failure(error: ActivityError | asyncio.CancelledError, *, cancel_requested: bool) -> JudgedFailure:
    """Decide what the failure of an activity means.

    A cancellation takes many forms: the activity confirms it, or its worker is dead and a timeout is all that comes
    back, or it was waiting to be tried again. So whatever does not report a code of ours counts as cancelled once
    the run's cancellation is requested. That the process is being erased is a cancellation too.

    Args:
        error: What awaiting the activity raised.
        cancel_requested: Whether the run's cancellation is requested.
    """
    if is_cancelled_exception(error):
        return JudgedFailure(Blame.CANCELLATION, FailureCode.INTERNAL_ERROR, "cancelled")
    cause = error.__cause__
    if isinstance(cause, ApplicationError) and cause.type == ProcessErased.code:
        # The erasure cancels the run as well, but an activity may hear of it first.
        return JudgedFailure(Blame.CANCELLATION, FailureCode.INTERNAL_ERROR, "erased")
    if isinstance(cause, ApplicationError) and cause.type in frozenset(FailureCode):
        code = FailureCode(cause.type)
        return JudgedFailure(_blame_of(code), code, str(cause.details[0]) if cause.details else "")
    if cancel_requested:
        return JudgedFailure(Blame.CANCELLATION, FailureCode.INTERNAL_ERROR, "cancelled")
    kind = (cause.type if isinstance(cause, ApplicationError) else None) or type(cause).__name__
    return JudgedFailure(Blame.DEFECT, FailureCode.INTERNAL_ERROR, f"The service failed by itself ({kind}).")


def _blame_of(code: FailureCode) -> Blame:
    if code is FailureCode.STORE_UNAVAILABLE:
        return Blame.STORE
    if code is FailureCode.INTERNAL_ERROR:
        return Blame.DEFECT
    if code.scope is FailureScope.COURT:
        return Blame.COURT
    return Blame.SUBJECT
