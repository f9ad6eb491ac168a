"""What happens to every request of the court's own: counted, delayed, checked, and struck by faults."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import lru_cache

from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from domain.errors import InvalidProcessNumber
from domain.process_number import ProcessNumber
from simulator import answers
from simulator.answers import Answer
from simulator.calls import Call, Target
from simulator.case import Case, Document
from simulator.court import Court
from simulator.wire import transmit

Reading = Callable[[Court, Request], Call]


class Endpoint:
    """Counts a request, makes it wait, checks its token, and lets the faults have their say."""

    def __init__(self, court: Court, reading: Reading, *, needs_token: bool = True) -> None:
        self._court = court
        self._read = reading
        self._needs_token = needs_token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        stats = self._court.stats
        request = Request(scope)
        call = self._read(self._court, request)
        stats.begin(call.target)
        try:
            if self._court.latency:
                await asyncio.sleep(self._court.latency)
            answer = await self._answer(request, call)
            if answer.refuses_token:
                stats.token_refused()
            if await transmit(answer, scope, receive, send):
                if answer.document_id is not None:
                    stats.served(answer.document_id)
                elif answer.listing:
                    stats.listed()
        finally:
            stats.end()

    async def _answer(self, request: Request, call: Call) -> Answer:
        faulty = await self._fault(call, before_token=True)
        if faulty is not None:
            return faulty
        if self._needs_token and not self._court.tokens.accepts(request.headers.get("authorization", "")):
            return answers.token_rejected()
        return await self._fault(call, before_token=False) or call.answer

    async def _fault(self, call: Call, *, before_token: bool) -> Answer | None:
        struck = self._court.faults.strike(call, before_token=before_token)
        if struck is None:
            return None
        kind, terms = struck
        if terms.delay_seconds and not kind.drips:
            await asyncio.sleep(terms.delay_seconds)
        return kind.answer(call, terms)


def read_binary(court: Court, request: Request) -> Call:
    """A document's bytes, if it has any."""
    return read_document(
        court, request, lambda case, document: answers.binary(case, document) if document.has_binary else None
    )


def read_text(court: Court, request: Request) -> Call:
    """A document's text."""
    return read_document(court, request, lambda case, document: answers.text(document))


def read_document(court: Court, request: Request, say: Callable[[Case, Document], Answer | None]) -> Call:
    """What ``say`` says of the document that the path names; Spring's 404 where there is nothing to say."""
    path = request.scope["path"]
    number, case = find_process(court, request.path_params["number"])
    document = case.by_id.get(request.path_params["document_id"]) if case else None
    answer = say(case, document) if case and document and document.has_content else None
    return Call(Target.DOCUMENT, path, answer or answers.no_route(path), number, case, document)


def read_elsewhere(court: Court, request: Request) -> Call:
    """A path that the API does not have."""
    path = request.scope["path"]
    return Call(Target.ELSEWHERE, path, answers.no_route(path))


def find_process(court: Court, text: str) -> tuple[str | None, Case | None]:
    """The canonical number, if the text is one, and the process, if the court knows it."""
    number = _number(text)
    return (None, None) if number is None else (number.canonical, court.case(number))


@lru_cache(maxsize=8192)
def _number(text: str) -> ProcessNumber | None:
    try:
        return ProcessNumber.parse(text)
    except InvalidProcessNumber:
        return None
