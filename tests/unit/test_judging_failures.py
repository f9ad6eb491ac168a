"""One function decides what the failure of an activity means for a run."""

from __future__ import annotations

import asyncio

import pytest
from temporalio import exceptions
from temporalio.api.common.v1 import Payload
from temporalio.exceptions import ActivityError, ApplicationError, RetryState, TimeoutType

from domain.errors import FailureCode, FailureScope, ProcessErased
from workflows.failures import Blame, judge_failure

HEARTBEAT_LOST = exceptions.TimeoutError(
    "heartbeat", type=TimeoutType.HEARTBEAT, last_heartbeat_details=[Payload()]
)


def make_activity_error(cause: BaseException) -> ActivityError:
    """Return the error that a workflow catches."""
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


def make_reported_error(code: FailureCode, answer: str = "HTTP 500") -> ActivityError:
    """Return the error of an activity that fails with one of our codes."""
    return make_activity_error(ApplicationError(str(code), answer, type=code.value, non_retryable=True))


@pytest.mark.parametrize("cancel_requested", [False, True])
@pytest.mark.parametrize("code", FailureCode)
def test_failure_with_a_code_is_attributed_by_its_scope(code: FailureCode, *, cancel_requested: bool) -> None:
    judged = judge_failure(make_reported_error(code), cancel_requested=cancel_requested)
    expected = {
        FailureScope.DOCUMENT: Blame.SUBJECT,
        FailureScope.PROCESS: Blame.SUBJECT,
        FailureScope.COURT: Blame.COURT,
    }.get(code.scope, Blame.STORE if code is FailureCode.STORE_UNAVAILABLE else Blame.DEFECT)
    assert (judged.blame, judged.code, judged.answer) == (expected, code, "HTTP 500")


@pytest.mark.parametrize(
    "error",
    [
        make_activity_error(exceptions.CancelledError()),
        asyncio.CancelledError(),
        # The worker died, so the cancellation was not confirmed.
        make_activity_error(HEARTBEAT_LOST),
        make_activity_error(
            exceptions.TimeoutError("late", type=TimeoutType.START_TO_CLOSE, last_heartbeat_details=[])
        ),
        # The activity was waiting for a retry.
        make_activity_error(ApplicationError("refused", type="StorageFailure")),
        make_activity_error(ApplicationError("away", type="DependencyUnavailable")),
        make_activity_error(ApplicationError("worker shuts down", type="WorkerShutdown")),
    ],
    ids=["confirmed", "asyncio", "heartbeat", "start to close", "store", "database", "shutdown"],
)
def test_failures_of_a_cancelled_run_are_attributed_to_the_cancellation(
    error: ActivityError | asyncio.CancelledError,
) -> None:
    assert judge_failure(error, cancel_requested=True).blame is Blame.CANCELLATION


@pytest.mark.parametrize("cancel_requested", [False, True])
def test_an_erasure_cancels_the_run(*, cancel_requested: bool) -> None:
    cause = ApplicationError("erased", type=ProcessErased.code, non_retryable=True)
    judged = judge_failure(make_activity_error(cause), cancel_requested=cancel_requested)
    assert judged.blame is Blame.CANCELLATION


@pytest.mark.parametrize(
    ("cause", "named"),
    [
        (HEARTBEAT_LOST, "TimeoutError"),
        (ApplicationError("no document", type="LookupError"), "LookupError"),
        (ApplicationError("no type"), "ApplicationError"),
    ],
)
def test_unexpected_error_is_a_defect_with_its_type(cause: BaseException, named: str) -> None:
    judged = judge_failure(make_activity_error(cause), cancel_requested=False)
    assert (judged.blame, judged.code) == (Blame.DEFECT, FailureCode.INTERNAL_ERROR)
    assert named in judged.answer
