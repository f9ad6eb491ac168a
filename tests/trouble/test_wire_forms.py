"""Every wire form through the whole stack, and what catalog, run, API and webhook say afterwards."""

from __future__ import annotations

import asyncio
import hashlib
from datetime import datetime

import httpx
import pytest

from domain.process_number import ProcessNumber
from tests.support.aftermath import Json, Piece, Told, aftermath, ask, pieces_of
from tests.support.conditions import eventually
from tests.support.numbers import fresh_number
from tests.support.receiver import Receiver
from tests.support.stack import RunningStack
from tests.support.wire_form_runs import contents_of, told_by_script, told_by_simulation
from tests.support.wire_forms import (
    BY_SCRIPT,
    DOCUMENTS,
    OF_A_DOCUMENT_AFTER_ALL,
    OF_ONE_DOCUMENT,
    OF_ONE_PROCESS,
    OF_THE_COURT,
    STRUCK,
    Away,
    Failing,
    Stored,
    Unlisted,
)


@pytest.fixture(scope="module")
async def told(
    shared_stack: RunningStack, receiver: Receiver, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Told]:
    """What became of each row that concerns one document or process, by the row's name.

    Those that are tried again for up to half a minute are under way together.
    """
    simulated, by_script = await asyncio.gather(
        told_by_simulation(shared_stack, receiver), told_by_script(tmp_path_factory.mktemp("scripted"))
    )
    return simulated | by_script


def expected_failure(row: Failing, number: str) -> Json:
    """What is to be said everywhere of the document that was struck, but for the time."""
    size = len(contents_of(number)[STRUCK])
    answer = row.answer.format(digits=ProcessNumber.parse(number).digits, size=size, half=size // 2)
    return {
        "code": row.code,
        "scope": "document",
        "retryable": row.retryable,
        "attempts": row.attempts,
        "answer": answer,
    }


def untimed(failure: Json | None) -> Json | None:
    """A failure without its time."""
    return failure and {key: value for key, value in failure.items() if key != "failed_at"}


OF_ONE = pytest.mark.parametrize(("name", "row"), OF_ONE_DOCUMENT.items(), ids=OF_ONE_DOCUMENT)


@OF_ONE
def test_a_document_fails_alone_in_the_catalog(told: dict[str, Told], name: str, row: Failing) -> None:
    after = told[name].after
    *others, struck = after.pieces
    failure = expected_failure(row, after.number)

    assert struck == Piece("failed", row.code, row.attempts, failure["answer"], None, None, None)
    assert {(each.status, each.failure_code, each.failed_attempts) for each in others} == {("available", None, 0)}
    assert after.failure == (None, None)


@OF_ONE
def test_a_document_fails_alone_in_the_answers(told: dict[str, Told], name: str, row: Failing) -> None:
    after = told[name].after
    *others, struck = after.documents

    assert (after.run["outcome"], after.run["failure_code"]) == ("partial", None)
    assert (after.run["downloaded_documents"], after.run["failed_documents"]) == (STRUCK, 1)
    assert (after.status["status"], after.status["run"]["outcome"]) == ("partial", "partial")
    assert (after.status["failure"], after.status["failures_by_code"]) == (None, {row.code: 1})
    assert (struck["status"], struck["download_url"]) == ("failed", None)
    assert untimed(struck["failure"]) == expected_failure(row, after.number)
    assert {(each["status"], each["failure"]) for each in others} == {("available", None)}
    assert told[name].again == ("started" if row.retryable else "settled")


@OF_ONE
def test_a_document_fails_alone_in_the_webhook(told: dict[str, Told], name: str, row: Failing) -> None:
    after = told[name].after
    data = after.event["data"]

    assert (after.event["type"], data["outcome"], data["run"]["failure_code"]) == (
        "process.partial",
        "partial",
        None,
    )
    assert (data["available_documents"], data["failed_documents"]) == (STRUCK, 1)
    assert [each["failure"] for each in data["documents"]] == [each["failure"] for each in after.documents]


@pytest.mark.parametrize(("name", "row"), OF_A_DOCUMENT_AFTER_ALL.items(), ids=OF_A_DOCUMENT_AFTER_ALL)
async def test_an_odd_document_is_stored_as_what_it_is(told: dict[str, Told], name: str, row: Stored) -> None:
    after = told[name].after
    contents = contents_of(after.number, text_only=row.text_only)
    digests = [hashlib.sha256(content).hexdigest() for content in contents]

    assert [(each.status, each.failed_attempts, each.sha256) for each in after.pieces] == [
        ("available", 0, digest) for digest in digests
    ]
    struck = after.documents[STRUCK]
    assert (after.pieces[STRUCK].media_type, struck["media_type"]) == (row.media_type, row.media_type)
    async with httpx.AsyncClient() as browser:
        opened = (await browser.get(struck["download_url"])).raise_for_status()
    assert (opened.content, opened.headers["content-type"]) == (contents[STRUCK], row.media_type)
    assert (after.run["outcome"], after.status["status"]) == ("completed", "completed")
    assert after.event["type"] == "process.completed"
    assert [each["sha256"] for each in after.event["data"]["documents"]] == digests
    assert told[name].again == "complete"


UNLISTED = {**OF_ONE_PROCESS, **BY_SCRIPT}


@pytest.mark.parametrize(("name", "row"), UNLISTED.items(), ids=UNLISTED)
def test_a_process_without_a_listing_fails(told: dict[str, Told], name: str, row: Unlisted) -> None:
    after = told[name].after
    answer = row.answer.format(digits=ProcessNumber.parse(after.number).digits)
    data = after.event["data"]

    assert (after.pieces, after.failure) == ((), (row.code, answer))
    assert (after.run["outcome"], after.run["failure_code"]) == ("failed", row.code)
    assert (after.status["status"], after.status["run"]["failure_code"]) == ("failed", row.code)
    assert untimed(after.status["failure"]) == {
        "code": row.code,
        "scope": "process",
        "retryable": row.retryable,
        "attempts": 1,
        "answer": answer,
    }
    assert (after.event["type"], data["outcome"]) == ("process.failed", "failed")
    assert (data["run"]["failure_code"], data["documents"]) == (row.code, [])
    assert told[name].requests == row.requests
    assert told[name].again == ("started" if row.retryable else "settled")


def pause_of(known: Json) -> float:
    """Seconds from the moment when the court was found away until the next probe."""
    due, since = (datetime.fromisoformat(known[key]) for key in ("next_probe_at", "since"))
    return (due - since).total_seconds()


async def begin(stack: RunningStack, receiver: Receiver, number: str, row: Away) -> str:
    """Have the court go away before, or while, a process is downloaded; gives the fault's id."""
    if not row.midway:
        fault = await stack.fault(row.kind, **row.terms)
        await ask(stack, receiver, number)
        return fault
    # What is on its way when the fault begins meets it when its time is over.
    await stack.latency(1)
    await ask(stack, receiver, number)

    async def listed() -> bool:
        return bool((await stack.status(number))["total_documents"] == DOCUMENTS)

    await eventually(listed, "the listing")
    fault = await stack.fault(row.kind, **row.terms)
    await stack.latency(0)
    return fault


@pytest.mark.parametrize("row", OF_THE_COURT.values(), ids=OF_THE_COURT)
async def test_a_court_that_is_away_is_waited_for(stack: RunningStack, receiver: Receiver, row: Away) -> None:
    number = fresh_number()
    await stack.prepare(number, DOCUMENTS)

    fault = await begin(stack, receiver, number, row)

    status = await stack.waits(number)
    assert (status["status"], status["failure"], status["failed_documents"]) == ("processing", None, 0)
    assert status["run"]["outcome"] is None
    pieces = pieces_of(stack, number)
    assert pieces == (Piece("pending", None, 0, None, None, None, None),) * (DOCUMENTS if row.midway else 0)
    assert receiver.at(f"/{number}") == []

    async def planned() -> Json | None:
        known = await stack.court_status()
        # One probe at once is allowed, with a token that has not been tried yet.
        assert (await stack.court())["requests"] <= row.requests + 1
        return known if known["next_probe_at"] and pause_of(known) >= row.pause else None

    known = await eventually(planned, "a probe that leaves the court in peace before")
    assert (known["status"], known["failure"]) == ("unavailable", {"code": row.code, "answer": row.answer})

    await stack.end_fault(fault)
    await stack.recovered()

    after = await aftermath(stack, receiver, number)
    assert [(each.status, each.failed_attempts) for each in after.pieces] == [("available", 0)] * DOCUMENTS
    assert (after.run["outcome"], after.status["status"]) == ("completed", "completed")
    assert (after.event["type"], after.event["data"]["available_documents"]) == ("process.completed", DOCUMENTS)
    assert set((await stack.court())["documents_served"].values()) == {1}
