"""Batches: every item is answered, joined or started, and no item holds up the others."""

from __future__ import annotations

from collections import Counter
from typing import Any
from uuid import uuid4

import pytest

from domain.process_number import ProcessNumber
from tests.support.batches import (
    create_batch,
    create_processes,
    get_batch,
    nonzero_counts,
    wait_until_batch_ended,
)
from tests.support.conditions import eventually
from tests.support.numbers import fresh_number
from tests.support.open_runs import slow_down
from tests.support.receiver import Receiver
from tests.support.stack import RunningStack

Json = dict[str, Any]


async def test_each_item_of_a_batch_gets_its_own_result(stack: RunningStack, receiver: Receiver) -> None:
    complete, partial, new = await create_processes(stack, 3)
    unknown = fresh_number()
    await stack.create_process(unknown, 1, exists=False)
    await stack.inject_fault("sealed", partial, documents=[0])
    await stack.request_download(complete)
    await stack.wait_until_ended(complete)
    path = f"/{uuid4()}"
    # The second and the fifth are the same process, so the fifth is a duplicate and gets no item.
    requested = [complete, ProcessNumber.parse(new).digits, "nonsense", partial, new, unknown]

    batch = await create_batch(stack, requested, webhook_url=f"{receiver.url}{path}")
    assert [item["state"] for item in batch["items"]] == ["queued", "queued", "invalid", "queued", "queued"]
    body = await wait_until_batch_ended(stack, batch)

    assert [
        (item["position"], item["process_number"], item["state"], item["decision"]) for item in body["items"]
    ] == [
        (1, complete, "completed", "complete"),
        (2, new, "completed", "started"),
        (3, None, "invalid", None),
        (4, partial, "partial", "started"),
        (6, unknown, "failed", "started"),
    ]
    assert body["items"][1]["run_id"] == (await stack.get_status(new))["run"]["id"]
    assert body["items"][2]["problem"]["code"] == "invalid_process_number"
    assert nonzero_counts(body) == {"completed": 2, "partial": 1, "failed": 1, "invalid": 1, "duplicates": 1}
    assert set((await stack.get_court_stats())["documents_served"].values()) == {1}

    received = await receiver.wait_for_events(path, 3)
    events = Counter((each.event["data"]["process_number"], each.event["type"]) for each in received)
    assert events == {
        (new, "process.completed"): 1,
        (partial, "process.partial"): 1,
        (unknown, "process.failed"): 1,
    }
    again = await wait_until_batch_ended(stack, await create_batch(stack, [partial, unknown]))
    assert [(item["state"], item["decision"]) for item in again["items"]] == [
        ("partial", "settled"),
        ("failed", "settled"),
    ]


async def test_a_batch_joins_an_open_run_and_both_subscribers_get_an_event(
    stack: RunningStack, receiver: Receiver
) -> None:
    [number] = await create_processes(stack, 1, documents=150)
    slow = await slow_down(stack, number, 150)
    path = f"/{uuid4()}"
    await stack.request_download(number, webhook_url=f"{receiver.url}{path}/single")
    await stack.wait_until_available(number, 1)

    batch = await wait_until_batch_ended(
        stack, await create_batch(stack, [number], webhook_url=f"{receiver.url}{path}/batch")
    )
    assert [(item["state"], item["decision"]) for item in batch["items"]] == [("processing", "active")]
    assert batch["items"][0]["run_id"] == (await stack.get_status(number))["run"]["id"]
    await stack.end_fault(slow)
    await stack.wait_until_ended(number)

    await receiver.wait_for_events(f"{path}/single")
    await receiver.wait_for_events(f"{path}/batch")
    assert (len(receiver.events_at(f"{path}/single")), len(receiver.events_at(f"{path}/batch"))) == (1, 1)
    assert [item["state"] for item in (await get_batch(stack, batch))["items"]] == ["completed"]
    assert len(await stack.list_run_ids(number)) == 1


async def test_a_batch_starts_a_run_for_all_documents_after_an_open_run_for_chosen_ones(
    stack: RunningStack, receiver: Receiver
) -> None:
    [number] = await create_processes(stack, 1, documents=120)
    slow = await slow_down(stack, number, 120)
    await stack.request_download(number)
    await stack.wait_until_available(number, 1)
    await stack.api.post(f"/processes/{number}/cancel")
    await stack.end_fault(slow)
    await stack.wait_until_ended(number)
    pending = [document["id"] for document in await stack.list_documents(number) if document["status"] == "pending"]
    await stack.set_latency(1)
    await stack.api.post(f"/processes/{number}/downloads", json={"document_ids": pending[:2]})

    path = f"/{uuid4()}"
    batch = await create_batch(stack, [number], webhook_url=f"{receiver.url}{path}")
    await stack.set_latency(0)
    body = await wait_until_batch_ended(stack, batch)

    assert [(item["state"], item["decision"]) for item in body["items"]] == [("completed", "started")]

    async def event_of_full_run() -> bool:
        return any(each.event["data"]["available_documents"] == 120 for each in receiver.events_at(path))

    await eventually(event_of_full_run, "the event of the run for all documents")
    status = await stack.get_status(number)
    assert (status["available_documents"], status["run"]["id"]) == (120, body["items"][0]["run_id"])
    assert len(await stack.list_run_ids(number)) == 3


@pytest.mark.parametrize(
    ("body", "code", "parameter"),
    [
        ({"process_numbers": []}, "invalid_request", "process_numbers"),
        ({"process_numbers": ["x"] * 1001}, "invalid_request", "process_numbers"),
        ({"process_numbers": [7]}, "invalid_request", "process_numbers.0"),
        ({"process_numbers": ["x"], "priority": 6}, "invalid_request", "priority"),
        ({"process_numbers": ["x"], "max_age": -1}, "invalid_request", "max_age"),
        ({"process_numbers": ["x"], "when": "now"}, "invalid_request", "when"),
        ({"process_numbers": ["x"], "webhook_url": "ftp://example.com"}, "invalid_webhook_url", "webhook_url"),
        ({"process_numbers": ["x", "1011745-78.2025.8.11.0041"]}, "no_valid_numbers", "process_numbers.0"),
    ],
)
async def test_an_invalid_batch_is_refused_with_the_name_of_the_parameter(
    stack: RunningStack, body: Json, code: str, parameter: str
) -> None:
    answer = await stack.api.post("/batches", json=body)
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (422, code)
    assert parameter in problem["errors"][0]["parameter"]


async def test_an_unknown_batch_is_not_found(stack: RunningStack) -> None:
    answer = await stack.api.get(f"/batches/{uuid4().hex}")
    assert (answer.status_code, answer.json()["code"]) == (404, "batch_unknown")
