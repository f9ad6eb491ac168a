"""Retry over REST."""

from __future__ import annotations

import pytest

from api.schemas.processes import RetriedBody
from domain.errors import FailureCode
from tests.support.failed_documents import mark_documents_failed
from tests.support.numbers import fresh_number
from tests.support.stack import RunningStack


async def test_a_retry_downloads_every_failed_document(stack: RunningStack) -> None:
    number = fresh_number()
    await stack.create_process(number, 6)
    sealed = await stack.inject_fault("sealed", number, documents=[3])
    await stack.request_download(number)
    await stack.wait_until_ended(number)
    mark_documents_failed(stack, number, [1, 2, 3], FailureCode.EMPTY_DOCUMENT)
    assert (await stack.get_status(number))["failures_by_code"] == {"empty_document": 3, "sealed": 1}
    await stack.reset_court_stats()

    retried = await stack.post_action(number, "retry")

    assert retried.status_code == 202
    assert RetriedBody.model_validate(retried.json()).retried_documents == 4
    assert retried.json()["status"] == "processing"
    status = await stack.wait_until_ended(number)
    # The document that the court still refuses costs one request, and one search to see whose failure it is.
    assert (status["available_documents"], status["failures_by_code"]) == (5, {"sealed": 1})
    assert len((await stack.get_court_stats())["documents_served"]) == 3
    await stack.end_fault(sealed)
    assert (await stack.post_action(number, "retry")).json()["retried_documents"] == 1
    assert (await stack.wait_until_ended(number))["status"] == "completed"
    refused = await stack.post_action(number, "retry")
    assert (refused.status_code, refused.json()["code"]) == (409, "nothing_to_retry")


async def test_a_retry_lists_a_process_that_was_not_found_again(stack: RunningStack) -> None:
    number = fresh_number()
    await stack.create_process(number, 2, exists=False)
    await stack.request_download(number)
    assert (await stack.wait_until_ended(number))["failure"]["code"] == "not_found"
    assert (await stack.request_download(number)).json()["decision"] == "settled"
    await stack.create_process(number, 2, exists=True)
    assert (await stack.post_action(number, "retry")).status_code == 202
    assert (await stack.wait_until_ended(number))["status"] == "completed"


@pytest.mark.parametrize("code", [FailureCode.SEALED, FailureCode.DOCUMENT_NOT_FOUND])
@pytest.mark.parametrize("way", ["retry", "max_age", "document_ids"])
async def test_a_document_with_a_permanent_failure_can_be_requested_again(
    stack: RunningStack, code: FailureCode, way: str
) -> None:
    number = await stack.create_ended_run(3)
    mark_documents_failed(stack, number, [2, 3], code)
    # A plain request starts no run: as far as the catalog knows, nothing has changed.
    assert (await stack.request_download(number)).json()["decision"] == "settled"
    failed = [document["id"] for document in await stack.list_documents(number) if document["status"] == "failed"]

    if way == "retry":
        answer = await stack.post_action(number, "retry")
    else:
        order = {"max_age": 0} if way == "max_age" else {"document_ids": failed}
        answer = await stack.api.post(f"/processes/{number}/downloads", json=order)

    assert answer.status_code == 202
    assert (await stack.wait_until_ended(number))["status"] == "completed"
