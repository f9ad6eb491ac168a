"""Runs for chosen documents: only these are downloaded, and a request for all adds the rest."""

from __future__ import annotations

from typing import Any

import httpx2

from domain.errors import FailureCode
from tests.support.conditions import eventually
from tests.support.failed_documents import mark_documents_failed
from tests.support.numbers import fresh_number
from tests.support.open_runs import slow_down
from tests.support.receiver import Receiver
from tests.support.stack import RunningStack


async def post_download(stack: RunningStack, number: str, **body: Any) -> httpx2.Response:
    """Request a download by POST."""
    return await stack.api.post(f"/processes/{number}/downloads", json=body)


async def test_posting_a_download_answers_like_auto_download(stack: RunningStack) -> None:
    number = fresh_number()
    await stack.create_process(number, 2)
    started = await post_download(stack, number)
    assert started.status_code == 202
    assert started.json()["decision"] == "started"
    assert started.headers["location"] == f"/processes/{number}/status"
    assert int(started.headers["retry-after"]) > 0
    await stack.wait_until_ended(number)
    answered = await stack.api.post(f"/processes/{number}/downloads")
    assert answered.status_code == 200
    assert answered.json()["decision"] == "complete"
    assert len(answered.json()["documents"]) == 2


async def test_a_run_for_chosen_documents_leaves_the_rest_to_the_next_run(
    stack: RunningStack, receiver: Receiver
) -> None:
    number = fresh_number()
    await stack.create_process(number, 120)
    slow = await slow_down(stack, number, 120)
    await stack.request_download(number)
    await stack.wait_until_available(number, 1)
    await stack.api.post(f"/processes/{number}/cancel")
    await stack.end_fault(slow)
    await stack.wait_until_ended(number)
    missing = [document["id"] for document in await stack.list_documents(number) if document["status"] == "pending"]
    assert len(missing) > 3
    await stack.reset_court_stats()

    chosen = missing[1:3]
    answer = await post_download(stack, number, document_ids=chosen, webhook_url=f"{receiver.url}/{number}/chosen")
    assert answer.status_code == 202
    assert answer.json()["run"]["chosen_documents"] == 2
    status = await stack.wait_until_ended(number)

    assert set((await stack.get_court_stats())["documents_served"]) == set(chosen)
    assert (status["status"], status["run"]["outcome"]) == ("pending", "completed")
    assert status["run"]["chosen_documents"] == 2

    [received] = await receiver.wait_for_events(f"/{number}/chosen")
    data = received.event["data"]
    assert data["run"]["chosen_documents"] == 2
    assert data["pending_documents"] == len(missing) - 2

    again = await post_download(stack, number, document_ids=chosen)
    assert (again.status_code, again.json()["decision"]) == (200, "complete")
    whole = await post_download(stack, number)
    assert (whole.status_code, whole.json()["run"]["chosen_documents"]) == (202, None)
    assert (await stack.wait_until_ended(number))["status"] == "completed"
    assert set((await stack.get_court_stats())["documents_served"]) == set(missing)


async def test_a_request_for_all_documents_widens_an_open_run_for_chosen_ones(stack: RunningStack) -> None:
    number = await stack.create_ended_run(6)
    first = [document["id"] for document in await stack.list_documents(number)]
    await stack.create_process(number, 12)
    # The run does nothing but list: it is over as soon as the listing has arrived.
    await stack.set_latency(4)
    await stack.reset_court_stats()
    # A run for one stored document lists the process again because of max_age.
    started = await post_download(stack, number, document_ids=[first[0]], max_age=0)
    assert started.json()["run"]["chosen_documents"] == 1

    joined = await post_download(stack, number, max_age=0)
    await stack.set_latency(0)

    assert joined.json()["decision"] == "active"
    assert (await stack.wait_until_ended(number))["available_documents"] == 12
    assert len((await stack.get_court_stats())["documents_served"]) == 6
    assert len(await stack.list_run_ids(number)) == 2


async def test_an_unknown_document_id_is_refused(stack: RunningStack) -> None:
    number = await stack.create_ended_run(1)
    unknown = "00000000-0000-4000-8000-000000000000"

    refused = await post_download(stack, number, document_ids=[unknown])

    assert refused.status_code == 404
    assert refused.json()["code"] == "document_unknown"
    assert refused.json()["document_ids"] == [unknown]
    await post_download(stack, number, document_ids=[unknown], max_age=0)
    assert (await stack.wait_until_ended(number))["run"]["outcome"] == "partial"


async def test_a_subscriber_of_a_complete_process_gets_an_event_with_notify_always(
    stack: RunningStack, receiver: Receiver
) -> None:
    number = await stack.create_ended_run(1)

    default = await post_download(stack, number, webhook_url=f"{receiver.url}/{number}/default")
    always = await post_download(stack, number, webhook_url=f"{receiver.url}/{number}/always", notify="always")

    assert (default.status_code, always.status_code) == (200, 200)
    [received] = await receiver.wait_for_events(f"/{number}/always")
    assert received.event["type"] == "process.completed"
    assert receiver.events_at(f"/{number}/default") == []


async def test_a_widened_run_also_retries_failed_documents(stack: RunningStack) -> None:
    number = await stack.create_ended_run(8)
    mark_documents_failed(stack, number, [1], FailureCode.TRUNCATED)
    await stack.create_process(number, 12)
    stored = [
        document["id"] for document in await stack.list_documents(number) if document["status"] == "available"
    ]
    # As above: it is over as soon as the listing has arrived.
    await stack.set_latency(4)
    await post_download(stack, number, document_ids=stored[:1], max_age=0)

    joined = await post_download(stack, number, max_age=0)
    await stack.set_latency(0)

    assert (joined.json()["decision"], joined.json()["run"]["chosen_documents"]) == ("active", None)
    assert (await stack.wait_until_ended(number))["available_documents"] == 12
    assert len(await stack.list_run_ids(number)) == 2


async def test_every_request_that_meets_the_end_of_a_run_for_chosen_documents_gets_an_event(
    stack: RunningStack, receiver: Receiver
) -> None:
    number = fresh_number()
    await stack.create_process(number, 2)
    unknown = "00000000-0000-4000-8000-000000000000"
    paths = [f"/{number}/again-{index}" for index in range(12)]

    answers = [
        await post_download(stack, number, document_ids=[unknown], max_age=0, webhook_url=f"{receiver.url}{path}")
        for path in paths
    ]

    assert {answer.status_code for answer in answers} == {202}
    await stack.wait_until_ended(number)

    for path in paths:
        await receiver.wait_for_events(path)
    # One event from the run whose end the request met, if any, and one from its own run.
    assert {len(receiver.events_at(path)) for path in paths} <= {1, 2}


async def test_an_open_run_for_all_retries_a_failed_document_that_is_requested(stack: RunningStack) -> None:
    number = fresh_number()
    await stack.create_process(number, 120)
    sealed = await stack.inject_fault("sealed", number, documents=[0])
    slow = await slow_down(stack, number, 120)
    await stack.request_download(number)

    async def failed_ids() -> list[str]:
        documents = await stack.list_documents(number)
        return [document["id"] for document in documents if document["status"] == "failed"]

    failed = await eventually(failed_ids, "the failure")
    (await stack.api.post(f"/processes/{number}/pause")).raise_for_status()
    await stack.end_fault(sealed)

    joined = await post_download(stack, number, document_ids=failed)

    assert (joined.status_code, joined.json()["decision"]) == (202, "active")
    await stack.end_fault(slow)
    (await stack.api.post(f"/processes/{number}/resume")).raise_for_status()
    assert (await stack.wait_until_ended(number))["status"] == "completed"
    assert len(await stack.list_run_ids(number)) == 1
