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


async def test_a_retry_is_of_all_that_failed(stack: RunningStack) -> None:
    number = fresh_number()
    await stack.prepare(number, 6)
    sealed = await stack.fault("sealed", number, documents=[3])
    await stack.request(number)
    await stack.ended(number)
    fail_documents(stack, number, [1, 2, 3], FailureCode.EMPTY_DOCUMENT)
    assert (await stack.status(number))["failures_by_code"] == {"empty_document": 3, "sealed": 1}
    await stack.forget_requests()

    retried = await act(stack, number, "retry")

    assert retried.status_code == 202
    assert RetriedBody.model_validate(retried.json()).retried_documents == 4
    assert retried.json()["status"] == "processing"
    status = await stack.ended(number)
    # What the court still refuses costs it one request, and the search that tells whose trouble it is.
    assert (status["available_documents"], status["failures_by_code"]) == (5, {"sealed": 1})
    assert len((await stack.court())["documents_served"]) == 3
    await stack.end_fault(sealed)
    assert (await act(stack, number, "retry")).json()["retried_documents"] == 1
    assert (await stack.ended(number))["status"] == "completed"
    beyond = await act(stack, number, "retry")
    assert (beyond.status_code, beyond.json()["code"]) == (409, "nothing_to_retry")


async def test_a_process_that_failed_for_good_is_asked_for_again(stack: RunningStack) -> None:
    number = fresh_number()
    await stack.prepare(number, 2, exists=False)
    await stack.request(number)
    assert (await stack.ended(number))["failure"]["code"] == "not_found"
    assert (await stack.request(number)).json()["decision"] == "settled"
    await stack.prepare(number, 2, exists=True)
    assert (await act(stack, number, "retry")).status_code == 202
    assert (await stack.ended(number))["status"] == "completed"


@pytest.mark.parametrize("code", [FailureCode.SEALED, FailureCode.DOCUMENT_NOT_FOUND])
@pytest.mark.parametrize("way", ["retry", "max_age", "document_ids"])
async def test_what_the_court_now_answers_is_had(stack: RunningStack, code: FailureCode, way: str) -> None:
    number = fresh_number()
    await stack.prepare(number, 3)
    await stack.request(number)
    await stack.ended(number)
    fail_documents(stack, number, [2, 3], code)
    # Whoever asks as ever is answered: nothing has changed, as far as anybody knows.
    assert (await stack.request(number)).json()["decision"] == "settled"
    failed = [document["id"] for document in await stack.documents(number) if document["status"] == "failed"]

    if way == "retry":
        answer = await act(stack, number, "retry")
    else:
        order = {"max_age": 0} if way == "max_age" else {"document_ids": failed}
        answer = await stack.api.post(f"/processes/{number}/downloads", json=order)

    assert answer.status_code == 202
    assert (await stack.ended(number))["status"] == "completed"


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
