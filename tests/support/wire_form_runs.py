"""A run for every row of the table of wire forms that concerns one document or process."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

from domain.process_number import ProcessNumber
from simulator.case import Case, Document, Shape
from tests.support.aftermath import Aftermath, Told, aftermath, ask, number_with
from tests.support.numbers import fresh_number
from tests.support.receiver import Receiver, receiving
from tests.support.scripted_server import answer, by_path, scripted
from tests.support.stack import RunningStack, running_stack
from tests.support.wire_forms import (
    BY_SCRIPT,
    DOCUMENTS,
    OF_A_DOCUMENT_AFTER_ALL,
    OF_ONE_DOCUMENT,
    OF_ONE_PROCESS,
    STRUCK,
    Failing,
    Stored,
    Unlisted,
)

PROCESSES = "/api/v2/processos"


async def prepare(stack: RunningStack, row: Failing | Stored) -> str:
    """A process at the court whose last document is as the row has it, struck as the row orders."""
    text_only = row.text_only if isinstance(row, Stored) else 0
    media_type = row.listed_as if isinstance(row, Stored) and not text_only else None
    shape = Shape(documents=DOCUMENTS, text_only_documents=text_only)

    def suits(documents: tuple[Document, ...]) -> bool:
        last = documents[STRUCK]
        return last.described is row.sized and media_type in (None, last.media_type)

    number = number_with(shape, suits)
    await stack.prepare(number, DOCUMENTS, text_only_documents=text_only)
    if row.kind is not None:
        await stack.fault(row.kind, number, documents=[STRUCK])
    return number


async def refuse(stack: RunningStack, row: Unlisted) -> str:
    """A process of which the court does not give a listing."""
    number = fresh_number()
    await stack.prepare(number, DOCUMENTS, exists=row.exists)
    assert isinstance(row.sent, tuple)
    for kind in row.sent:
        await stack.fault(kind, number)
    return number


async def counted(stack: RunningStack, receiver: Receiver, number: str) -> tuple[Aftermath, int]:
    """What is said of a process, and how often the court was asked; nothing else may be under way."""
    await stack.forget_requests()
    await ask(stack, receiver, number)
    after = await aftermath(stack, receiver, number)
    return after, (await stack.court())["requests"]


async def told_by_script(folder: Path) -> dict[str, Told]:
    """What became of each row that only a scripted court shows, in a stack that asks that court."""
    numbers = {name: fresh_number() for name in BY_SCRIPT}
    replies = {f"{PROCESSES}?": answer(200, b'{"content": [{"numeroProcesso": "1"}]}')}
    for name, row in BY_SCRIPT.items():
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
        with receiving(stack.addresses["webhook_secret"]) as receiver:
            for number in numbers.values():
                await ask(stack, receiver, number)
            ended = await asyncio.gather(*(aftermath(stack, receiver, each) for each in numbers.values()))
        asked = Counter(court.targets)
        replies.clear()
        replies[PROCESSES] = answer(200, b"[]")
        told = {}
        for name, after in zip(numbers, ended, strict=True):
            again = (await stack.request(after.number)).json()["decision"]
            told[name] = Told(after, asked[f"{PROCESSES}/{after.number}"], again)
        await asyncio.gather(*(stack.ended(number) for number in numbers.values()))
    return told


async def told_by_simulation(stack: RunningStack, receiver: Receiver) -> dict[str, Told]:
    """What became of each row that the simulated court shows."""
    told: dict[str, Told] = {}
    requests: dict[str, int] = {}
    after: dict[str, Aftermath] = {}
    together = {}
    for name, row in OF_ONE_PROCESS.items():
        number = await refuse(stack, row)
        if row.requests is None:
            together[name] = number
        else:
            after[name], requests[name] = await counted(stack, receiver, number)
    documents: dict[str, Failing | Stored] = {**OF_ONE_DOCUMENT, **OF_A_DOCUMENT_AFTER_ALL}
    together |= {name: await prepare(stack, row) for name, row in documents.items()}
    await asyncio.gather(*(ask(stack, receiver, number) for number in together.values()))
    ended = await asyncio.gather(*(aftermath(stack, receiver, number) for number in together.values()))
    after |= dict(zip(together, ended, strict=True))
    (await stack.simulator.delete("/_simulator/faults")).raise_for_status()
    for name, each in after.items():
        again = (await stack.request(each.number)).json()["decision"]
        told[name] = Told(each, requests.get(name), again)
    await asyncio.gather(*(stack.ended(each.number) for each in after.values()))
    return told


def contents_of(number: str, *, text_only: int = 0) -> list[bytes]:
    """The documents of a process as the court has them, in filing order."""
    shape = Shape(documents=DOCUMENTS, text_only_documents=text_only)
    documents = Case(ProcessNumber.parse(number), shape).documents
    return [b"".join(each.file().pieces()) if each.has_binary else each.text() for each in documents]
