"""Reports on a finished run: what the catalog, the workflow, the API and the webhook say about its process."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from tests.support.receiver import Receiver
from tests.support.stack import RunningStack

Json = dict[str, Any]


@dataclass(frozen=True)
class CatalogDocument:
    """One document as the catalog holds it."""

    status: str
    failure_code: str | None
    failed_attempts: int
    failure_answer: str | None
    media_type: str | None
    size_bytes: int | None
    sha256: str | None


@dataclass(frozen=True)
class RunReport:
    """What every part of the service says about a process after its run.

    Attributes:
        catalog_documents: the documents in the catalog, in filing order.
        failure: the code and the court's answer that the catalog holds against the process itself, both `None`
            without one.
        run: the workflow's result.
        status: the API's status.
        documents: the API's documents.
        event: the event of the one webhook.
    """

    number: str
    catalog_documents: tuple[CatalogDocument, ...]
    failure: tuple[str | None, str | None]
    run: Json
    status: Json
    documents: list[Json]
    event: Json


def read_catalog_documents(stack: RunningStack, number: str) -> tuple[CatalogDocument, ...]:
    """Return the documents of a process from the catalog, in filing order."""
    query = (
        "SELECT status, failure_code, failed_attempts, failure_answer, media_type, size_bytes, sha256"
        " FROM documents WHERE process_number = ? ORDER BY position"
    )
    with closing(sqlite3.connect(stack.data_dir / "autos.db")) as catalog:
        return tuple(CatalogDocument(*row) for row in catalog.execute(query, (number,)))


def count_failed_attempts(stack: RunningStack, number: str) -> int:
    """Return how many attempts the catalog counts against all documents of a process."""
    return sum(document.failed_attempts for document in read_catalog_documents(stack, number))


def _read_process_failure(stack: RunningStack, number: str) -> tuple[str | None, str | None]:
    query = "SELECT failure_code, failure_answer FROM processes WHERE number = ?"
    with closing(sqlite3.connect(stack.data_dir / "autos.db")) as catalog:
        code, answer = catalog.execute(query, (number,)).fetchone()
        return code, answer


async def start_run_with_webhook(stack: RunningStack, receiver: Receiver, number: str) -> None:
    """Start a run for a process, with the receiver's path of that number as its subscriber."""
    answer = await stack.request_download(number, webhook_url=f"{receiver.url}/{number}")
    assert (answer.status_code, answer.json()["decision"]) == (202, "started")


async def wait_for_run_report(stack: RunningStack, receiver: Receiver, number: str) -> RunReport:
    """Wait for the end of the run and for its one webhook, and collect what each part says."""
    status = await stack.wait_until_ended(number, seconds=100)
    [received] = await receiver.wait_for_events(f"/{number}")
    return RunReport(
        number=number,
        catalog_documents=read_catalog_documents(stack, number),
        failure=_read_process_failure(stack, number),
        run=await stack.temporal.get_workflow_handle(number).result(),
        status=status,
        documents=await stack.list_documents(number),
        event=received.event,
    )
