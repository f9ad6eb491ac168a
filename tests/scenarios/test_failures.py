"""A court that fails: whose failure it is decides what happens."""

from __future__ import annotations

from tests.support.conditions import eventually
from tests.support.numbers import fresh_number
from tests.support.receiver import Receiver
from tests.support.stack import RunningStack


async def test_a_document_that_fails_at_first_is_tried_again(stack: RunningStack) -> None:
    number = fresh_number()
    await stack.prepare(number, 6)
    await stack.fault("codex_error", number, documents=[1, 4], times=1)
    await stack.request(number)
    assert (await stack.ended(number))["status"] == "completed"


async def test_thirty_five_of_forty_three_fail_alone_and_can_be_had_later(
    stack: RunningStack, receiver: Receiver
) -> None:
    number = fresh_number()
    await stack.prepare(number, 43, size_bytes=20_000)
    fault = await stack.fault("codex_error", number, documents=[*range(4, 39)])
    await stack.request(number, webhook_url=f"{receiver.url}/{number}")

    status = await stack.ended(number, seconds=110)

    assert (status["status"], status["run"]["outcome"]) == ("partial", "partial")
    assert (status["available_documents"], status["failed_documents"]) == (8, 35)
    assert status["failures_by_code"] == {"source_unavailable": 35}
    failed = (await stack.api.get(f"/processes/{number}/documents?status=failed")).json()["documents"]
    assert len(failed) == 35
    for document in failed:
        assert document["failure"]["code"] == "source_unavailable"
        assert document["failure"]["retryable"] is True
        assert document["failure"]["attempts"] == 5
        assert "Erro interno na API do Codex" in document["failure"]["answer"]
        assert document["download_url"] is None

    async def told() -> bool:
        return bool(receiver.at(f"/{number}"))

    await eventually(told, "the webhook")
    event = receiver.at(f"/{number}")[0].event
    assert event["type"] == "process.partial"
    assert event["data"]["failed_documents"] == 35

    await stack.end_fault(fault)
    await stack.forget_requests()
    assert (await stack.request(number)).json()["decision"] == "started"
    status = await stack.ended(number)
    assert (status["status"], status["available_documents"]) == ("completed", 43)
    served = (await stack.court())["documents_served"]
    assert served == {document["id"]: 1 for document in failed}


async def test_a_throttling_court_burns_nobodys_attempts(stack: RunningStack) -> None:
    number = fresh_number()
    await stack.prepare(number, 12)
    await stack.fault("throttled", number, documents=1.0, times=1, retry_after=1)
    await stack.request(number)

    async def waiting() -> bool:
        return bool((await stack.status(number))["phase"] == "waiting_for_court")

    await eventually(waiting, "the phase waiting_for_court")
    status = await stack.ended(number)
    assert (status["status"], status["failed_documents"]) == ("completed", 0)


async def test_a_lost_connection_is_tried_again(stack: RunningStack) -> None:
    number = fresh_number()
    await stack.prepare(number, 4, size_bytes=300_000)
    await stack.fault("reset", number, documents=[2], times=1)
    await stack.request(number)
    assert (await stack.ended(number))["status"] == "completed"


async def test_a_process_that_the_court_does_not_know_fails_and_is_settled(
    stack: RunningStack, receiver: Receiver
) -> None:
    number = fresh_number()
    await stack.prepare(number, 1, exists=False)
    await stack.request(number, webhook_url=f"{receiver.url}/{number}")

    status = await stack.ended(number)

    assert (status["status"], status["run"]["outcome"]) == ("failed", "failed")
    assert status["failure"]["code"] == "not_found"
    again = await stack.request(number)
    assert (again.status_code, again.json()["decision"]) == (200, "settled")

    async def told() -> bool:
        return bool(receiver.at(f"/{number}"))

    await eventually(told, "the webhook")
    event = receiver.at(f"/{number}")[0].event
    assert event["type"] == "process.failed"
    assert event["data"]["run"]["failure_code"] == "not_found"


async def test_a_process_without_documents_is_empty_not_completed(stack: RunningStack) -> None:
    number = fresh_number()
    await stack.prepare(number, 0)
    await stack.request(number)
    assert (await stack.ended(number))["status"] == "empty"
    assert (await stack.request(number)).json()["decision"] == "settled"
