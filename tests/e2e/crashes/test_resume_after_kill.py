"""A run continues after a service is killed: nothing is lost and nothing is done twice."""

from __future__ import annotations

from contextlib import suppress

import httpx2
import pytest

from tests.support.conditions import eventually
from tests.support.numbers import fresh_number
from tests.support.receiver import running_receiver
from tests.support.stack import RunningStack
from workflows.options import DOWNLOAD_WINDOW

DOCUMENTS = 300


@pytest.mark.parametrize("service", ["worker", "api", "temporal"])
async def test_a_run_continues_after_a_service_is_killed(crash_stack: RunningStack, service: str) -> None:
    stack = crash_stack
    number = fresh_number()
    await stack.create_process(number, DOCUMENTS, size_bytes=20_000)
    await stack.reset_court_stats()
    await stack.set_latency(0.1)
    with running_receiver(stack.addresses["webhook_secret"]) as receiver:
        answer = await stack.request_download(number, webhook_url=f"{receiver.url}/{number}")
        await stack.wait_until_available(number, DOCUMENTS // 2)

        stack.kill_service(service)

        received = await receiver.wait_for_events(f"/{number}", seconds=90)
        assert len(received) == 1

    async def answers() -> bool:
        # The run does not need the API, and may end before it has been started again.
        with suppress(httpx2.TransportError):
            return (await stack.api.get("/health/live")).is_success
        return False

    await eventually(answers, "the API answers", seconds=60)
    status = await stack.wait_until_ended(number)
    assert (status["status"], status["available_documents"]) == ("completed", DOCUMENTS)
    served = (await stack.get_court_stats())["documents_served"]
    assert len(served) == DOCUMENTS
    assert sum(served.values()) <= DOCUMENTS + DOWNLOAD_WINDOW
    assert status["run"]["id"] == answer.json()["run"]["id"]
    assert await stack.list_run_ids(number) == [answer.json()["run"]["id"]]
    await stack.set_latency(0)
