"""Parts are killed half way; nothing is lost and nothing is doubled."""

from __future__ import annotations

import pytest

from tests.support.conditions import eventually
from tests.support.numbers import fresh_number
from tests.support.receiver import receiving
from tests.support.stack import RunningStack
from workflows.options import DOWNLOAD_WINDOW

DOCUMENTS = 300


@pytest.mark.parametrize("part", ["worker", "api", "temporal"])
async def test_a_run_goes_on_after_a_part_is_killed(mortal_stack: RunningStack, part: str) -> None:
    stack = mortal_stack
    number = fresh_number()
    await stack.prepare(number, DOCUMENTS, size_bytes=20_000)
    await stack.forget_requests()
    await stack.latency(0.1)
    with receiving(stack.addresses["webhook_secret"]) as receiver:
        answer = await stack.request(number, webhook_url=f"{receiver.url}/{number}")
        await stack.reaches(number, DOCUMENTS // 2)

        stack.kill(part)

        async def told() -> bool:
            return bool(receiver.at(f"/{number}"))

        await eventually(told, "the webhook", seconds=90)
        assert len(receiver.at(f"/{number}")) == 1
    status = await stack.ended(number)
    assert (status["status"], status["available_documents"]) == ("completed", DOCUMENTS)
    served = (await stack.court())["documents_served"]
    assert len(served) == DOCUMENTS
    assert sum(served.values()) <= DOCUMENTS + DOWNLOAD_WINDOW
    assert status["run"]["id"] == answer.json()["run"]["id"]
    assert await stack.runs(number) == [answer.json()["run"]["id"]]
    await stack.latency(0)
