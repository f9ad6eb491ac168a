"""Runs for chosen documents: these come, and who asks for all gets the rest."""

from __future__ import annotations

from typing import Any

import httpx

from domain.errors import FailureCode
from tests.support.conditions import eventually
from tests.support.failed_documents import fail_documents
from tests.support.numbers import fresh_number
from tests.support.receiver import Receiver
from tests.support.stack import RunningStack


async def ask(stack: RunningStack, number: str, **order: Any) -> httpx.Response:
    """Ask for a download by POST."""
    return await stack.api.post(f"/processes/{number}/downloads", json=order)


async def test_posting_does_what_auto_download_does(stack: RunningStack) -> None:
    number = fresh_number()
    await stack.prepare(number, 2)
    started = await ask(stack, number)
    assert started.status_code == 202
    assert started.json()["decision"] == "started"
    assert started.headers["location"] == f"/processes/{number}/status"
    assert int(started.headers["retry-after"]) > 0
    await stack.ended(number)
    answered = await stack.api.post(f"/processes/{number}/downloads")
    assert answered.status_code == 200
    assert answered.json()["decision"] == "complete"
    assert len(answered.json()["documents"]) == 2


async def test_only_what_was_chosen_comes_and_the_rest_later(stack: RunningStack, receiver: Receiver) -> None:
    number = fresh_number()
    await stack.prepare(number, 60)
    await stack.latency(0.3)
    await stack.request(number)
    await stack.reaches(number, 1)
    await stack.api.post(f"/processes/{number}/cancel")
    await stack.ended(number)
    await stack.latency(0)
    missing = [document["id"] for document in await stack.documents(number) if document["status"] == "pending"]
    assert len(missing) > 3
    await stack.forget_requests()

    chosen = missing[1:3]
    answer = await ask(stack, number, document_ids=chosen, webhook_url=f"{receiver.url}/{number}/chosen")
    assert answer.status_code == 202
    assert answer.json()["run"]["chosen_documents"] == 2
    status = await stack.ended(number)

    assert set((await stack.court())["documents_served"]) == set(chosen)
    assert (status["status"], status["run"]["outcome"]) == ("pending", "completed")
    assert status["run"]["chosen_documents"] == 2

    async def called() -> bool:
        return bool(receiver.at(f"/{number}/chosen"))

    await eventually(called, "the event")
    told = receiver.at(f"/{number}/chosen")[0].event["data"]
    assert told["run"]["chosen_documents"] == 2
    assert told["pending_documents"] == len(missing) - 2

    again = await ask(stack, number, document_ids=chosen)
    assert (again.status_code, again.json()["decision"]) == (200, "complete")
    whole = await ask(stack, number)
    assert (whole.status_code, whole.json()["run"]["chosen_documents"]) == (202, None)
    assert (await stack.ended(number))["status"] == "completed"
    assert set((await stack.court())["documents_served"]) == set(missing)


async def test_a_request_for_all_widens_a_run_for_a_few(stack: RunningStack) -> None:
    number = fresh_number()
    await stack.prepare(number, 6)
    await stack.request(number)
    await stack.ended(number)
    first = [document["id"] for document in await stack.documents(number)]
    await stack.prepare(number, 12)
    await stack.latency(0.6)
    await stack.forget_requests()
    # Not listed yet, so that it is asked for by an id that the catalog does not know.
    started = await ask(stack, number, document_ids=[first[0]], max_age=0)
    assert started.json()["run"]["chosen_documents"] == 1

    joined = await ask(stack, number, max_age=0)

    assert joined.json()["decision"] == "active"
    assert (await stack.ended(number))["available_documents"] == 12
    assert len((await stack.court())["documents_served"]) == 6
    assert len(await stack.runs(number)) == 2


async def test_a_document_that_there_is_not_is_named(stack: RunningStack) -> None:
    number = fresh_number()
    await stack.prepare(number, 1)
    await stack.request(number)
    await stack.ended(number)
    unknown = "00000000-0000-4000-8000-000000000000"

    refused = await ask(stack, number, document_ids=[unknown])

    assert refused.status_code == 404
    assert refused.json()["code"] == "document_unknown"
    assert refused.json()["document_ids"] == [unknown]
    await ask(stack, number, document_ids=[unknown], max_age=0)
    assert (await stack.ended(number))["run"]["outcome"] == "partial"


async def test_a_subscriber_of_a_complete_process_is_told_if_it_asks_for_that(
    stack: RunningStack, receiver: Receiver
) -> None:
    number = fresh_number()
    await stack.prepare(number, 1)
    await stack.request(number)
    await stack.ended(number)

    silent = await ask(stack, number, webhook_url=f"{receiver.url}/{number}/silent")
    told = await ask(stack, number, webhook_url=f"{receiver.url}/{number}/told", notify="always")

    assert (silent.status_code, told.status_code) == (200, 200)

    async def called() -> bool:
        return bool(receiver.at(f"/{number}/told"))

    await eventually(called, "the event")
    assert receiver.at(f"/{number}/told")[0].event["type"] == "process.completed"
    assert receiver.at(f"/{number}/silent") == []


async def test_a_run_that_is_widened_tries_what_had_failed_and_says_that_it_is_for_all(stack: RunningStack) -> None:
    number = fresh_number()
    await stack.prepare(number, 8)
    await stack.request(number)
    await stack.ended(number)
    fail_documents(stack, number, [1], FailureCode.TRUNCATED)
    await stack.prepare(number, 12)
    stored = [document["id"] for document in await stack.documents(number) if document["status"] == "available"]
    await stack.latency(0.6)
    await ask(stack, number, document_ids=stored[:1], max_age=0)

    joined = await ask(stack, number, max_age=0)

    assert (joined.json()["decision"], joined.json()["run"]["chosen_documents"]) == ("active", None)
    assert (await stack.ended(number))["available_documents"] == 12
    assert len(await stack.runs(number)) == 2


async def test_requests_that_meet_the_end_of_a_run_for_a_few_are_each_told_of_the_next(
    stack: RunningStack, receiver: Receiver
) -> None:
    number = fresh_number()
    await stack.prepare(number, 2)
    unknown = "00000000-0000-4000-8000-000000000000"
    paths = [f"/{number}/again-{index}" for index in range(12)]

    answers = [
        await ask(stack, number, document_ids=[unknown], max_age=0, webhook_url=f"{receiver.url}{path}")
        for path in paths
    ]

    assert {answer.status_code for answer in answers} == {202}
    await stack.ended(number)

    async def all_told() -> bool:
        return all(receiver.at(path) for path in paths)

    await eventually(all_told, "every subscriber")
    # Once by the run that it met at its end, if any, and once by its own.
    assert {len(receiver.at(path)) for path in paths} <= {1, 2}


async def test_a_document_that_is_named_is_tried_again_by_the_open_run_for_all(stack: RunningStack) -> None:
    number = fresh_number()
    await stack.prepare(number, 60)
    sealed = await stack.fault("sealed", number, documents=[0])
    await stack.latency(0.4)
    await stack.request(number)

    async def failed() -> list[str]:
        return [one["id"] for one in await stack.documents(number) if one["status"] == "failed"]

    refused = await eventually(failed, "the refusal")
    (await stack.api.post(f"/processes/{number}/pause")).raise_for_status()
    await stack.end_fault(sealed)

    joined = await ask(stack, number, document_ids=refused)

    assert (joined.status_code, joined.json()["decision"]) == (202, "active")
    await stack.latency(0)
    (await stack.api.post(f"/processes/{number}/resume")).raise_for_status()
    assert (await stack.ended(number))["status"] == "completed"
    assert len(await stack.runs(number)) == 1
