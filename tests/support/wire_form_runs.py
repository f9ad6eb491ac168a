"""A run for every row of the table of wire forms that concerns one document or one process."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from domain.process_number import ProcessNumber
from simulator.case import Case, Shape
from tests.support.numbers import fresh_number, number_of_case
from tests.support.receiver import Receiver, running_receiver
from tests.support.run_reports import RunReport, start_run_with_webhook, wait_for_run_report
from tests.support.scripted_server import answer, by_path, scripted
from tests.support.stack import RunningStack, running_stack
from tests.support.wire_forms import (
    DOCUMENTS,
    FAILED_DOCUMENTS,
    FAILED_LISTINGS,
    FAULTY,
    SCRIPTED_FAILED_LISTINGS,
    STORED_DOCUMENTS,
    FailedDocument,
    FailedListing,
    StoredDocument,
)

PROCESSES = "/api/v2/processos"


@dataclass(frozen=True)
class RowResult:
    """The result of one row.

    Attributes:
        report: what every part of the service says after the run.
        requests: how many requests the court received for it, `None` where other runs were open as well.
        next_decision: the decision on the next request, when the court is well again.
    """

    report: RunReport
    requests: int | None
    next_decision: str


async def create_process_with_document(stack: RunningStack, row: FailedDocument | StoredDocument) -> str:
    """Create a process whose last document is as the row describes, with the row's fault. Returns its number."""
    text_only = row.text_only if isinstance(row, StoredDocument) else 0
    media_type = row.listed_as if isinstance(row, StoredDocument) and not text_only else None
    shape = Shape(documents=DOCUMENTS, text_only_documents=text_only)

    def is_wanted(case: Case) -> bool:
        last = case.documents[FAULTY]
        return last.described is row.size_listed and media_type in (None, last.media_type)

    number = number_of_case(shape, is_wanted)
    await stack.create_process(number, DOCUMENTS, text_only_documents=text_only)
    if row.fault is not None:
        await stack.inject_fault(row.fault, number, documents=[FAULTY])
    return number


async def create_process_without_listing(stack: RunningStack, row: FailedListing) -> str:
    """Create a process that the simulated court does not list. Returns its number."""
    number = fresh_number()
    await stack.create_process(number, DOCUMENTS, exists=row.exists)
    assert isinstance(row.sent, tuple)
    for fault in row.sent:
        await stack.inject_fault(fault, number)
    return number


async def run_and_count(stack: RunningStack, receiver: Receiver, number: str) -> tuple[RunReport, int]:
    """Run one process, and count the court's requests. No other run may be open."""
    await stack.reset_court_stats()
    await start_run_with_webhook(stack, receiver, number)
    report = await wait_for_run_report(stack, receiver, number)
    return report, (await stack.get_court_stats())["requests"]


async def run_scripted_rows(folder: Path) -> dict[str, RowResult]:
    """Run the rows that need a scripted court, in a stack of their own. Returns the results by the rows' names."""
    numbers = {name: fresh_number() for name in SCRIPTED_FAILED_LISTINGS}
    replies = {f"{PROCESSES}?": answer(200, b'{"content": [{"numeroProcesso": "1"}]}')}
    for name, row in SCRIPTED_FAILED_LISTINGS.items():
        assert isinstance(row.sent, bytes)
        replies[f"{PROCESSES}/{numbers[name]}"] = row.sent
    async with (
        scripted(by_path(replies)) as court,
        running_stack(
            folder,
            AUTOS_COURT_BASE_URL=court.origin,
            AUTOS_COURT_TOKEN="a-token",
            AUTOS_COURT_REQUESTS_PER_SECOND="100",
        ) as stack,
    ):
        with running_receiver(stack.addresses["webhook_secret"]) as receiver:
            for number in numbers.values():
                await start_run_with_webhook(stack, receiver, number)
            reports = await asyncio.gather(
                *(wait_for_run_report(stack, receiver, number) for number in numbers.values())
            )
        requests = Counter(court.targets)
        # From here on, every process is unknown to a court that is well.
        replies.clear()
        replies[PROCESSES] = answer(200, b"[]")
        results = {}
        for name, report in zip(numbers, reports, strict=True):
            decision = (await stack.request_download(report.number)).json()["decision"]
            results[name] = RowResult(report, requests[f"{PROCESSES}/{report.number}"], decision)
        await asyncio.gather(*(stack.wait_until_ended(number) for number in numbers.values()))
    return results


async def run_simulated_rows(stack: RunningStack, receiver: Receiver) -> dict[str, RowResult]:
    """Run the rows that the simulated court can show. Returns the results by the rows' names."""
    requests: dict[str, int] = {}
    reports: dict[str, RunReport] = {}
    simultaneous: dict[str, str] = {}
    for name, row in FAILED_LISTINGS.items():
        number = await create_process_without_listing(stack, row)
        if row.requests is None:
            simultaneous[name] = number
        else:
            reports[name], requests[name] = await run_and_count(stack, receiver, number)
    documents: dict[str, FailedDocument | StoredDocument] = {**FAILED_DOCUMENTS, **STORED_DOCUMENTS}
    for name, document in documents.items():
        simultaneous[name] = await create_process_with_document(stack, document)
    numbers = simultaneous.values()
    await asyncio.gather(*(start_run_with_webhook(stack, receiver, number) for number in numbers))
    ended = await asyncio.gather(*(wait_for_run_report(stack, receiver, number) for number in numbers))
    reports |= dict(zip(simultaneous, ended, strict=True))
    await stack.end_all_faults()
    results = {}
    for name, report in reports.items():
        decision = (await stack.request_download(report.number)).json()["decision"]
        results[name] = RowResult(report, requests.get(name), decision)
    await asyncio.gather(*(stack.wait_until_ended(report.number) for report in reports.values()))
    return results


def read_court_documents(number: str, *, text_only: int = 0) -> list[bytes]:
    """Return the contents of a process's documents at the simulated court, in filing order."""
    shape = Shape(documents=DOCUMENTS, text_only_documents=text_only)
    documents = Case(ProcessNumber.parse(number), shape).documents
    return [
        b"".join(document.file().pieces()) if document.has_binary else document.text() for document in documents
    ]
