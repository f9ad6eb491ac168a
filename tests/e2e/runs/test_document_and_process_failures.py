"""Failures of single documents and of whole processes."""

from __future__ import annotations

from tests.support.numbers import fresh_number
from tests.support.receiver import Receiver
from tests.support.stack import RunningStack


async def test_a_document_that_fails_once_is_retried(stack: RunningStack) -> None:
    number = fresh_number()
    await stack.create_process(number, 6)
    await stack.inject_fault("codex_error", number, documents=[1, 4], times=1)
    await stack.request_download(number)
    assert (await stack.wait_until_ended(number))["status"] == "completed"


async def test_documents_that_fail_are_reported_and_downloaded_by_the_next_run(
    stack: RunningStack, receiver: Receiver
) -> None:
    number = fresh_number()
    await stack.create_process(number, 43, size_bytes=20_000)
    fault = await stack.inject_fault("codex_error", number, documents=[*range(4, 39)])
    await stack.request_download(number, webhook_url=f"{receiver.url}/{number}")

    status = await stack.wait_until_ended(number, seconds=110)

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

    [received] = await receiver.wait_for_events(f"/{number}")
    event = received.event
    assert event["type"] == "process.partial"
    assert event["data"]["failed_documents"] == 35

    await stack.end_fault(fault)
    await stack.reset_court_stats()
    assert (await stack.request_download(number)).json()["decision"] == "started"
    status = await stack.wait_until_ended(number)
    assert (status["status"], status["available_documents"]) == ("completed", 43)
    served = (await stack.get_court_stats())["documents_served"]
    assert served == {document["id"]: 1 for document in failed}


async def test_throttling_by_the_court_counts_against_no_document(stack: RunningStack) -> None:
    number = fresh_number()
    await stack.create_process(number, 12)
    await stack.inject_fault("throttled", number, documents=1.0, times=1, retry_after=1)
    await stack.request_download(number)

    await stack.wait_until_waiting_for_court(number)
    status = await stack.wait_until_ended(number)
    assert (status["status"], status["failed_documents"]) == ("completed", 0)


async def test_a_lost_connection_is_retried(stack: RunningStack) -> None:
    number = fresh_number()
    await stack.create_process(number, 4, size_bytes=300_000)
    await stack.inject_fault("reset", number, documents=[2], times=1)
    await stack.request_download(number)
    assert (await stack.wait_until_ended(number))["status"] == "completed"


async def test_a_process_unknown_to_the_court_fails_and_is_settled(stack: RunningStack, receiver: Receiver) -> None:
    number = fresh_number()
    await stack.create_process(number, 1, exists=False)
    await stack.request_download(number, webhook_url=f"{receiver.url}/{number}")

    status = await stack.wait_until_ended(number)

    assert (status["status"], status["run"]["outcome"]) == ("failed", "failed")
    assert status["failure"]["code"] == "not_found"
    again = await stack.request_download(number)
    assert (again.status_code, again.json()["decision"]) == (200, "settled")

    [received] = await receiver.wait_for_events(f"/{number}")
    event = received.event
    assert event["type"] == "process.failed"
    assert event["data"]["run"]["failure_code"] == "not_found"


async def test_a_process_without_documents_is_empty(stack: RunningStack) -> None:
    number = fresh_number()
    await stack.create_process(number, 0)
    await stack.request_download(number)
    assert (await stack.wait_until_ended(number))["status"] == "empty"
    assert (await stack.request_download(number)).json()["decision"] == "settled"
