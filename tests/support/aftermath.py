"""What is said of a process when its run has ended: by the catalog, the run, the API and the webhook."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from domain.process_number import ProcessNumber
from simulator.case import Case, Document, Shape
from tests.support.conditions import eventually
from tests.support.numbers import fresh_number
from tests.support.receiver import Receiver
from tests.support.stack import RunningStack

Json = dict[str, Any]


@dataclass(frozen=True)
class Piece:
    """One document as the catalog holds it."""

    status: str
    failure_code: str | None
    failed_attempts: int
    failure_answer: str | None
    media_type: str | None
    size_bytes: int | None
    sha256: str | None


@dataclass(frozen=True)
class Aftermath:
    """What is said of a process when its run has ended.

    Attributes:
        pieces: its documents in the catalog, in filing order.
        failure: the code and the answer that the catalog holds against the process itself.
        run: the workflow's result.
        status: the API's status.
        documents: the API's documents.
        event: the one webhook's event.
    """

    number: str
    pieces: tuple[Piece, ...]
    failure: tuple[str | None, str | None]
    run: Json
    status: Json
    documents: list[Json]
    event: Json


@dataclass(frozen=True)
class Told:
    """A process, what was said of it, what the court saw, and what the next request led to.

    Attributes:
        requests: what the court has seen of it; none where others were under way as well.
        again: the decision on the next request, when the court is well.
    """

    after: Aftermath
    requests: int | None
    again: str


def number_with(shape: Shape, suits: Callable[[tuple[Document, ...]], bool]) -> str:
    """A fresh number whose documents, in this shape, are as they should be."""
    while True:
        number = fresh_number()
        if suits(Case(ProcessNumber.parse(number), shape).documents):
            return number


def pieces_of(stack: RunningStack, number: str) -> tuple[Piece, ...]:
    """The documents of a process in the catalog, in filing order."""
    query = (
        "SELECT status, failure_code, failed_attempts, failure_answer, media_type, size_bytes, sha256"
        " FROM documents WHERE process_number = ? ORDER BY position"
    )
    with closing(sqlite3.connect(stack.data_dir / "autos.db")) as catalog:
        return tuple(Piece(*row) for row in catalog.execute(query, (number,)))


def _failure_of(stack: RunningStack, number: str) -> tuple[str | None, str | None]:
    query = "SELECT failure_code, failure_answer FROM processes WHERE number = ?"
    with closing(sqlite3.connect(stack.data_dir / "autos.db")) as catalog:
        code, answer = catalog.execute(query, (number,)).fetchone()
        return code, answer


async def ask(stack: RunningStack, receiver: Receiver, number: str) -> None:
    """Ask for a download, and to be told of its end."""
    answer = await stack.request(number, webhook_url=f"{receiver.url}/{number}")
    assert (answer.status_code, answer.json()["decision"]) == (202, "started")


async def aftermath(stack: RunningStack, receiver: Receiver, number: str) -> Aftermath:
    """Wait for the end of the run and for the webhook, and note what each says."""
    status = await stack.ended(number, seconds=100)

    async def told() -> Json | None:
        events = receiver.at(f"/{number}")
        assert len(events) <= 1
        return events[0].event if events else None

    event = await eventually(told, f"the webhook of {number}")
    return Aftermath(
        number=number,
        pieces=pieces_of(stack, number),
        failure=_failure_of(stack, number),
        run=await stack.temporal.get_workflow_handle(number).result(),
        status=status,
        documents=await stack.documents(number),
        event=event,
    )
