"""Every answer leads to log lines: its id finds the request in the API's log, and its run in the worker's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx2

from tests.support.api_service import running_api_beside
from tests.support.conditions import eventually
from tests.support.numbers import fresh_number
from tests.support.stack import RunningStack

TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
TRACEPARENT = f"00-{TRACE_ID}-b7ad6b7169203331-01"
KEY = "a key of sixteen characters"
# What the worker logs of a run with one document, and nobody else does.
WORKER_EVENTS = ("run opened", "listed", "incomplete", "complete 1/1", "run completed 1/1")
Line = dict[str, Any]


def grep(log: Path, request_id: str) -> list[Line]:
    """Return the lines of a log that contain a request id."""
    return [json.loads(line) for line in log.read_text().splitlines() if f'"{request_id}"' in line]


async def wait_for_event(log: Path, request_id: str, event: str) -> list[Line]:
    """Wait until a log has a line with this id and event. Return all lines with the id."""

    async def lines_with_event() -> list[Line] | None:
        lines = grep(log, request_id)
        return lines if event in [line["event"] for line in lines] else None

    return await eventually(lines_with_event, f"{event} of {request_id}")


async def test_the_callers_ids_lead_from_the_request_to_the_workers_lines(stack: RunningStack) -> None:
    number, request_id = fresh_number(), f"caller-{fresh_number()}"
    await stack.create_process(number, 1)
    ids = {"X-Request-Id": request_id, "traceparent": TRACEPARENT}
    answer = await stack.api.post(f"/processes/{number}/downloads", headers=ids)
    assert (answer.status_code, answer.headers["x-request-id"]) == (202, request_id)
    await stack.wait_until_ended(number)

    # The API logs the request a moment after its answer.
    await wait_for_event(stack.stderr, request_id, "request")
    lines = await wait_for_event(stack.stderr, request_id, "run completed 1/1")
    # "started 1 of 1" if the worker has listed the process by then.
    events = ["started" if line["event"].startswith("started") else line["event"] for line in lines]
    assert {"started", "request", *WORKER_EVENTS} == set(events)
    assert events.count("request") == 1
    assert {(line["trace_id"], line["process"]) for line in lines} == {(TRACE_ID, number)}
    [opened] = [line for line in lines if line["event"] == "run opened"]
    [started] = [line for line in lines if line["event"].startswith("started")]
    assert opened["run"] == started["run"]
    memo = await (await stack.temporal.get_workflow_handle(number).describe()).memo()
    assert (memo["request_id"], memo["trace_id"]) == (request_id, TRACE_ID)


async def test_a_request_that_joins_a_run_logs_its_own_id_with_the_run(stack: RunningStack) -> None:
    number = fresh_number()
    first, second, pause = (f"{name}-{number}" for name in ("first", "second", "pause"))
    await stack.create_process(number, 1)
    # The run lists the process until the pause has come.
    await stack.set_latency(4)
    path = f"/processes/{number}"
    run = (await stack.api.post(f"{path}/downloads", headers={"X-Request-Id": first})).json()["run"]["id"]
    await stack.api.post(f"{path}/downloads", headers={"X-Request-Id": second})
    await stack.api.post(f"{path}/pause", headers={"X-Request-Id": pause})
    await stack.post_action(number, "resume")
    await stack.set_latency(0)
    await stack.wait_until_ended(number)

    await wait_for_event(stack.stderr, first, "run completed 1/1")
    for request_id, event in ((second, "active"), (pause, "pause")):
        lines = await wait_for_event(stack.stderr, request_id, "request")
        assert [(line["event"], line.get("run")) for line in lines] == [(event, run), ("request", None)]


async def test_the_runs_of_a_batch_have_the_id_of_its_request(stack: RunningStack) -> None:
    numbers = [fresh_number(), fresh_number()]
    request_id = f"batch-{numbers[0]}"
    for number in numbers:
        await stack.create_process(number, 1)
    answer = await stack.api.post(
        "/batches", json={"process_numbers": numbers}, headers={"X-Request-Id": request_id}
    )
    assert answer.status_code == 202

    lines = await wait_for_event(stack.stderr, request_id, "batch ended")
    for number in numbers:
        events = {line["event"] for line in lines if line.get("process") == number}
        assert events == {"started", *WORKER_EVENTS}
        memo = await (await stack.temporal.get_workflow_handle(number).describe()).memo()
        assert memo["request_id"] == request_id


async def test_the_id_of_each_refusal_leads_to_one_line(stack: RunningStack) -> None:
    settings = {"AUTOS_API_KEY": KEY, "AUTOS_WRONG_KEYS_PER_MINUTE": "1"}
    async with running_api_beside(stack, **settings) as api, httpx2.AsyncClient(base_url=api.url) as client:
        right, wrong = {"Authorization": f"Bearer {KEY}"}, {"Authorization": "Bearer wrong-wrong-wrong-wrong"}
        answers = {
            401: await client.get("/court/status"),
            404: await client.get("/nothing/here", headers=right),
            413: await client.post("/batches", content=b" " * 70_000, headers=right),
            422: await client.get("/processes/1/status", headers=right),
        }
        # The first wrong key is the only one that may be guessed.
        await client.get("/court/status", headers=wrong)
        answers[429] = await client.get("/court/status", headers=wrong)
        text = api.stderr.read_text()

        for status, answer in answers.items():
            assert answer.status_code == status
            request_id = answer.headers["x-request-id"]
            assert answer.json()["request_id"] == request_id
            lines = await wait_for_event(api.stderr, request_id, "request")
            assert [line["status"] for line in lines] == [status]
    assert "wrong-wrong" not in text
    assert KEY not in text
