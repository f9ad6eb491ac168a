"""One function decides what an activity's failure means to a run."""

from __future__ import annotations

import asyncio

import pytest
from temporalio import exceptions
from temporalio.api.common.v1 import Payload
from temporalio.exceptions import ActivityError, ApplicationError, RetryState, TimeoutType

from domain.errors import FailureCode, FailureScope
from workflows.failures import Blame, judge_failure

HEARTBEAT_LOST = exceptions.TimeoutError(
    "heartbeat", type=TimeoutType.HEARTBEAT, last_heartbeat_details=[Payload()]
)


def failed_with(cause: BaseException) -> ActivityError:
    """The failure that a workflow meets."""
    error = ActivityError(
        "Activity task failed",
        scheduled_event_id=1,
        started_event_id=2,
        identity="",
        activity_type="download_document",
        activity_id="1",
        retry_state=RetryState.NON_RETRYABLE_FAILURE,
    )
    error.__cause__ = cause
    return error


def reported(code: FailureCode, answer: str = "HTTP 500") -> ActivityError:
    """A failure that an activity reports with one of our codes."""
    return failed_with(ApplicationError(str(code), answer, type=code.value, non_retryable=True))


@pytest.mark.parametrize("cancel_requested", [False, True])
@pytest.mark.parametrize("code", FailureCode)
def test_what_is_reported_with_a_code_is_blamed_by_its_scope(code: FailureCode, *, cancel_requested: bool) -> None:
    judged = judge_failure(reported(code), cancel_requested=cancel_requested)
    expected = {
        FailureScope.DOCUMENT: Blame.SUBJECT,
        FailureScope.PROCESS: Blame.SUBJECT,
        FailureScope.COURT: Blame.COURT,
    }.get(code.scope, Blame.STORE if code is FailureCode.STORE_UNAVAILABLE else Blame.DEFECT)
    assert (judged.blame, judged.code, judged.answer) == (expected, code, "HTTP 500")


@pytest.mark.parametrize(
    "error",
    [
        failed_with(exceptions.CancelledError()),
        asyncio.CancelledError(),
        # The worker died, so nobody confirmed the cancellation.
        failed_with(HEARTBEAT_LOST),
        failed_with(exceptions.TimeoutError("late", type=TimeoutType.START_TO_CLOSE, last_heartbeat_details=[])),
        # It waited to be tried again.
        failed_with(ApplicationError("refused", type="StorageFailure")),
        failed_with(ApplicationError("away", type="DependencyUnavailable")),
        failed_with(ApplicationError("worker shuts down", type="WorkerShutdown")),
    ],
    ids=["confirmed", "asyncio", "heartbeat", "start to close", "store", "database", "shutdown"],
)
def test_a_cancelled_run_blames_nobody(error: ActivityError | asyncio.CancelledError) -> None:
    assert judge_failure(error, cancel_requested=True).blame is Blame.CANCELLATION


@pytest.mark.parametrize(
    ("cause", "named"),
    [
        (HEARTBEAT_LOST, "TimeoutError"),
        (ApplicationError("no document", type="LookupError"), "LookupError"),
        (ApplicationError("no type"), "ApplicationError"),
    ],
)
def test_what_nobody_expected_is_a_defect_that_names_its_kind(cause: BaseException, named: str) -> None:
    judged = judge_failure(failed_with(cause), cancel_requested=False)
    assert (judged.blame, judged.code) == (Blame.DEFECT, FailureCode.INTERNAL_ERROR)
    assert named in judged.answer
