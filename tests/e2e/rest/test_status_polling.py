"""Polling the status: entity tags, and long polling with `Prefer: wait`."""

from __future__ import annotations

import asyncio
import time

from tests.e2e.rest.conftest import SecondApi
from tests.support.open_runs import create_open_run, create_paused_run, resume_run
from tests.support.stack import RunningStack


async def test_an_unchanged_status_is_not_sent_again(
    stack: RunningStack, second_api: SecondApi, paused_number: str
) -> None:
    number = paused_number
    path = f"/processes/{number}/status"
    first = await stack.api.get(path)
    tag = first.headers["etag"]
    assert tag.startswith('W/"')
    assert (first.headers["cache-control"], first.headers["retry-after"]) == ("no-cache", "2")
    assert (first.headers["vary"], "preference-applied" in first.headers) == ("Prefer, Accept-Encoding", False)

    for api in (stack.api, second_api.client):
        for known in (tag, tag.removeprefix("W/"), f'"other", {tag}', "*"):
            answer = await api.get(path, headers={"If-None-Match": known})
            assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", tag)
    assert (await stack.api.get(path, headers={"If-None-Match": '"other"'})).status_code == 200

    waiting = await stack.api.get(path, headers={"If-None-Match": tag, "Prefer": "wait=1"})
    assert (waiting.status_code, waiting.headers["preference-applied"]) == (304, "wait=1")


async def test_waiting_for_a_change_ends_with_the_first_change(stack: RunningStack) -> None:
    number = await create_paused_run(stack)
    path = f"/processes/{number}/status"
    tag = (await stack.api.get(path)).headers["etag"]
    waiting = asyncio.create_task(stack.api.get(path, headers={"If-None-Match": tag, "Prefer": "wait=30"}))
    began = time.monotonic()
    await resume_run(stack, number)

    answer = await waiting
    assert time.monotonic() - began < 20
    assert (answer.status_code, answer.headers["preference-applied"]) == (200, "wait=30")
    assert answer.headers["etag"] != tag


async def test_waiting_for_the_end_ends_when_the_run_ends(stack: RunningStack) -> None:
    number = await create_open_run(stack, 30)
    began = time.monotonic()
    answer = await stack.api.get(f"/processes/{number}/status", headers={"Prefer": "respond-async, wait=999"})

    assert time.monotonic() - began < 25
    assert (answer.status_code, answer.headers["preference-applied"]) == (200, "wait=30")
    assert answer.json()["status"] == "completed"
    assert "retry-after" not in answer.headers
