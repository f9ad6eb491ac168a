"""Every wire form through the whole stack: what catalog, run, API and webhook say afterwards.

The rows and one worked example are in tests/support/wire_forms.py.
"""

from __future__ import annotations

import asyncio
import hashlib
from datetime import datetime

import httpx2
import pytest

from domain.process_number import ProcessNumber
from tests.support.conditions import eventually
from tests.support.numbers import fresh_number
from tests.support.receiver import Receiver
from tests.support.run_reports import (
    CatalogDocument,
    Json,
    read_catalog_documents,
    start_run_with_webhook,
    wait_for_run_report,
)
from tests.support.stack import RunningStack
from tests.support.wire_form_runs import RowResult, read_court_documents, run_scripted_rows, run_simulated_rows
from tests.support.wire_forms import (
    COURT_OUTAGES,
    DOCUMENTS,
    FAILED_DOCUMENTS,
    FAILED_LISTINGS,
    FAULTY,
    SCRIPTED_FAILED_LISTINGS,
    STORED_DOCUMENTS,
    CourtOutage,
    FailedDocument,
    FailedListing,
    StoredDocument,
)


@pytest.fixture(scope="module")
async def results(
    shared_stack: RunningStack, receiver: Receiver, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, RowResult]:
    """The results of all rows about one document or one process, by the rows' names.

    The rows run once, together, because five attempts at a document take up to half a minute.
    """
    simulated, by_script = await asyncio.gather(
        run_simulated_rows(shared_stack, receiver), run_scripted_rows(tmp_path_factory.mktemp("scripted"))
    )
    return simulated | by_script


def expected_failure(row: FailedDocument, number: str) -> Json:
    """Return the failure that every part must show for the faulty document, without its time."""
    size = len(read_court_documents(number)[FAULTY])
    answer = row.answer.format(digits=ProcessNumber.parse(number).digits, size=size, half=size // 2)
    return {
        "code": row.code,
        "scope": "document",
        "retryable": row.retryable,
        "attempts": row.attempts,
        "answer": answer,
    }


def without_time(failure: Json | None) -> Json | None:
    """Return a failure without its time."""
    return failure and {key: value for key, value in failure.items() if key != "failed_at"}


EACH_FAILED_DOCUMENT = pytest.mark.parametrize(("name", "row"), FAILED_DOCUMENTS.items(), ids=FAILED_DOCUMENTS)


def read_failed_attempts(stack: RunningStack, number: str) -> list[str]:
    """Return the worker's log lines about failed attempts at a process's documents."""
    lines = stack.stderr.read_text().splitlines()
    return [line for line in lines if number in line and '"document ' in line]


@EACH_FAILED_DOCUMENT
def test_the_catalog_has_one_failed_document(
    shared_stack: RunningStack, results: dict[str, RowResult], name: str, row: FailedDocument
) -> None:
    report = results[name].report
    *others, faulty = report.catalog_documents
    failure = expected_failure(row, report.number)

    assert faulty == CatalogDocument("failed", row.code, row.attempts, failure["answer"], None, None, None)
    assert {(each.status, each.failure_code, each.failed_attempts) for each in others} == {
        ("available", None, 0)
    }, read_failed_attempts(shared_stack, report.number)
    assert report.failure == (None, None)


@EACH_FAILED_DOCUMENT
def test_the_api_shows_one_failed_document(results: dict[str, RowResult], name: str, row: FailedDocument) -> None:
    report = results[name].report
    *others, faulty = report.documents

    assert (report.run["outcome"], report.run["failure_code"]) == ("partial", None)
    assert (report.run["downloaded_documents"], report.run["failed_documents"]) == (FAULTY, 1)
    assert (report.status["status"], report.status["run"]["outcome"]) == ("partial", "partial")
    assert (report.status["failure"], report.status["failures_by_code"]) == (None, {row.code: 1})
    assert (faulty["status"], faulty["download_url"]) == ("failed", None)
    assert without_time(faulty["failure"]) == expected_failure(row, report.number)
    assert {(each["status"], each["failure"]) for each in others} == {("available", None)}
    assert results[name].next_decision == ("started" if row.retryable else "settled")


@EACH_FAILED_DOCUMENT
def test_the_webhook_has_one_failed_document(results: dict[str, RowResult], name: str, row: FailedDocument) -> None:
    report = results[name].report
    data = report.event["data"]

    assert (report.event["type"], data["outcome"], data["run"]["failure_code"]) == (
        "process.partial",
        "partial",
        None,
    )
    assert (data["available_documents"], data["failed_documents"]) == (FAULTY, 1)
    assert [each["failure"] for each in data["documents"]] == [each["failure"] for each in report.documents]


@pytest.mark.parametrize(("name", "row"), STORED_DOCUMENTS.items(), ids=STORED_DOCUMENTS)
async def test_an_odd_answer_that_is_the_document_is_stored(
    results: dict[str, RowResult], name: str, row: StoredDocument
) -> None:
    report = results[name].report
    contents = read_court_documents(report.number, text_only=row.text_only)
    digests = [hashlib.sha256(content).hexdigest() for content in contents]

    assert [(each.status, each.failed_attempts, each.sha256) for each in report.catalog_documents] == [
        ("available", 0, digest) for digest in digests
    ]
    faulty = report.documents[FAULTY]
    assert (report.catalog_documents[FAULTY].media_type, faulty["media_type"]) == (row.media_type, row.media_type)
    async with httpx2.AsyncClient(timeout=60) as browser:
        opened = (await browser.get(faulty["download_url"])).raise_for_status()
    assert (opened.content, opened.headers["content-type"]) == (contents[FAULTY], row.media_type)
    assert (report.run["outcome"], report.status["status"]) == ("completed", "completed")
    assert report.event["type"] == "process.completed"
    assert [each["sha256"] for each in report.event["data"]["documents"]] == digests
    assert results[name].next_decision == "complete"


ALL_FAILED_LISTINGS = {**FAILED_LISTINGS, **SCRIPTED_FAILED_LISTINGS}


@pytest.mark.parametrize(("name", "row"), ALL_FAILED_LISTINGS.items(), ids=ALL_FAILED_LISTINGS)
def test_a_process_without_a_listing_fails(results: dict[str, RowResult], name: str, row: FailedListing) -> None:
    report = results[name].report
    answer = row.answer.format(digits=ProcessNumber.parse(report.number).digits)
    data = report.event["data"]

    assert (report.catalog_documents, report.failure) == ((), (row.code, answer))
    assert (report.run["outcome"], report.run["failure_code"]) == ("failed", row.code)
    assert (report.status["status"], report.status["run"]["failure_code"]) == ("failed", row.code)
    assert without_time(report.status["failure"]) == {
        "code": row.code,
        "scope": "process",
        "retryable": row.retryable,
        "attempts": 1,
        "answer": answer,
    }
    assert (report.event["type"], data["outcome"]) == ("process.failed", "failed")
    assert (data["run"]["failure_code"], data["documents"]) == (row.code, [])
    assert results[name].requests == row.requests
    assert results[name].next_decision == ("started" if row.retryable else "settled")


def pause_before_probe(court: Json) -> float:
    """Return the seconds between the opening of the circuit and the next probe."""
    due, since = (datetime.fromisoformat(court[key]) for key in ("next_probe_at", "since"))
    return (due - since).total_seconds()


async def begin_outage(stack: RunningStack, receiver: Receiver, number: str, row: CourtOutage) -> str:
    """Start the outage before a run, or during it if the row says so. Returns the fault's id."""
    if not row.midway:
        fault = await stack.inject_fault(row.fault, **row.options)
        await start_run_with_webhook(stack, receiver, number)
        return fault
    # Requests under way when the fault begins are answered after this latency, by the fault. It is longer than the
    # test needs to see the listing.
    await stack.set_latency(3)
    await start_run_with_webhook(stack, receiver, number)

    async def listed() -> bool:
        return bool((await stack.get_status(number))["total_documents"] == DOCUMENTS)

    await eventually(listed, "the listing")
    fault = await stack.inject_fault(row.fault, **row.options)
    await stack.set_latency(0)
    return fault


@pytest.mark.parametrize("row", COURT_OUTAGES.values(), ids=COURT_OUTAGES)
async def test_runs_wait_for_a_court_that_is_unavailable(
    stack: RunningStack, receiver: Receiver, row: CourtOutage
) -> None:
    number = fresh_number()
    await stack.create_process(number, DOCUMENTS)

    fault = await begin_outage(stack, receiver, number, row)

    status = await stack.wait_until_waiting_for_court(number)
    assert (status["status"], status["failure"], status["failed_documents"]) == ("processing", None, 0)
    assert status["run"]["outcome"] is None
    pending = read_catalog_documents(stack, number)
    assert pending == (CatalogDocument("pending", None, 0, None, None, None, None),) * (
        DOCUMENTS if row.midway else 0
    )
    assert receiver.events_at(f"/{number}") == []

    async def probe_planned() -> Json | None:
        court = await stack.get_court_status()
        # One immediate probe is allowed, with a token that has not been tried yet.
        assert (await stack.get_court_stats())["requests"] <= row.requests + 1
        return court if court["next_probe_at"] and pause_before_probe(court) >= row.pause else None

    court = await eventually(probe_planned, "a probe after the pause")
    assert (court["status"], court["failure"]) == ("unavailable", {"code": row.code, "answer": row.answer})

    await stack.end_fault(fault)
    await stack.recover_court()

    report = await wait_for_run_report(stack, receiver, number)
    assert [(each.status, each.failed_attempts) for each in report.catalog_documents] == [
        ("available", 0)
    ] * DOCUMENTS
    assert (report.run["outcome"], report.status["status"]) == ("completed", "completed")
    assert (report.event["type"], report.event["data"]["available_documents"]) == ("process.completed", DOCUMENTS)
    assert set((await stack.get_court_stats())["documents_served"].values()) == {1}
