"""Retry, pause, resume and cancel over REST: what they reach, repeated, and in the wrong state."""

from __future__ import annotations

import httpx
import pytest

from api.schemas import RetriedBody, StatusBody
from domain.errors import FailureCode
from tests.support.conditions import eventually
from tests.support.failed_documents import fail_documents
from tests.support.numbers import fresh_number
from tests.support.stack import RunningStack


async def act(stack: RunningStack, number: str, action: str) -> httpx.Response:
    """Do it."""
    return await stack.api.post(f"/processes/{number}/{action}")


async def test_a_paused_run_takes_nothing_and_goes_on_when_resumed(stack: RunningStack) -> None:
    number = fresh_number()
    await stack.prepare(number, 60)
    await stack.latency(0.3)
    await stack.request(number)
    await stack.reaches(number, 1)

    paused = [await act(stack, number, "pause") for _ in range(2)]

    assert [answer.status_code for answer in paused] == [200, 200]
    assert {StatusBody.model_validate(answer.json()).phase for answer in paused} == {"paused"}

    async def quiet() -> int | None:
        before = (await stack.status(number))["available_documents"]
        served = (await stack.court())["documents_served"]
        return before if before == len(served) else None

    stored = await eventually(quiet, "the end of the downloads on their way")
    assert stored < 60
    resumed = [await act(stack, number, "resume") for _ in range(2)]
    assert [answer.status_code for answer in resumed] == [200, 200]
    assert resumed[0].json()["phase"] == "downloading"
    assert (await stack.ended(number))["status"] == "completed"


async def test_a_cancelled_run_has_ended_and_cancelling_again_says_so(stack: RunningStack) -> None:
    number = fresh_number()
    await stack.prepare(number, 60)
    await stack.latency(0.3)
    await stack.request(number)
    await stack.reaches(number, 1)

    first = await act(stack, number, "cancel")

    assert first.status_code in (200, 202)
    await stack.ended(number)
    again = await act(stack, number, "cancel")
    assert again.status_code == 200
    assert again.json()["run"]["outcome"] == "cancelled"
    # What is missing is what a retry is for, too.
    await stack.latency(0)
    assert (await act(stack, number, "retry")).status_code == 202
    assert (await stack.ended(number))["status"] == "completed"


async def test_a_retry_is_of_what_failed_for_a_passing_reason(stack: RunningStack) -> None:
    number = fresh_number()
    await stack.prepare(number, 6)
    await stack.fault("sealed", number, documents=[3])
    await stack.request(number)
    await stack.ended(number)
    fail_documents(stack, number, [1, 2, 3], FailureCode.EMPTY_DOCUMENT)
    assert (await stack.status(number))["failures_by_code"] == {"empty_document": 3, "sealed": 1}

    retried = await act(stack, number, "retry")

    assert retried.status_code == 202
    assert RetriedBody.model_validate(retried.json()).retried_documents == 3
    assert retried.json()["status"] == "processing"
    status = await stack.ended(number)
    assert (status["available_documents"], status["failures_by_code"]) == (5, {"sealed": 1})
    beyond = await act(stack, number, "retry")
    assert (beyond.status_code, beyond.json()["code"]) == (409, "nothing_to_retry")


@pytest.mark.parametrize("action", ["pause", "resume", "cancel"])
async def test_what_cannot_be_done_names_the_state(stack: RunningStack, action: str) -> None:
    number = fresh_number()
    unknown = await act(stack, number, action)
    assert (unknown.status_code, unknown.json()["code"]) == (404, "process_unknown")
    await stack.prepare(number, 1)
    await stack.request(number)
    await stack.ended(number)
    refused = await act(stack, number, action)
    assert (refused.status_code, refused.json()["code"]) == (409, "no_open_run")
    assert "completed" in refused.json()["detail"]


async def test_a_run_that_was_terminated_is_no_open_run(stack: RunningStack) -> None:
    number = fresh_number()
    await stack.prepare(number, 30)
    await stack.latency(0.4)
    await stack.request(number)
    await stack.reaches(number, 1)
    await stack.temporal.get_workflow_handle(number).terminate("by hand")
    refused = await act(stack, number, "cancel")
    assert (refused.status_code, refused.json()["code"]) == (409, "no_open_run")
    assert "pending" in refused.json()["detail"]
