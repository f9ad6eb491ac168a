"""The court's own side: the portal's API, and the data lake's two document routes behind it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import lru_cache

from starlette.requests import Request
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import Receive, Scope, Send

from domain.errors import InvalidProcessNumber
from domain.process_number import ProcessNumber
from simulator import answers
from simulator.answers import Answer
from simulator.calls import Call, Target
from simulator.case import Case, Document
from simulator.court import Court
from simulator.listing import details, search_hit
from simulator.wire import transmit

PORTAL = "/api/v2"
DATA_LAKE = "/processo-api/api/v1"

Reading = Callable[[Court, Request], Call]


def routes(court: Court) -> list[BaseRoute]:
    """The court's routes. Every other path of its two APIs gets Spring's 404."""

    def serve(path: str, reading: Reading) -> Route:
        return Route(path, _Endpoint(court, reading), methods=["GET"])

    elsewhere = _Endpoint(court, _read_elsewhere)
    return [
        serve(f"{PORTAL}/processos/{{number}}/documentos/{{document_id}}/binario", _read_binary),
        serve(f"{PORTAL}/processos/{{number}}", _read_details),
        serve(f"{PORTAL}/processos", _read_search),
        serve(f"{PORTAL}/processos/", _read_search),
        serve(f"{PORTAL}/processos/{{number}}/documentos/{{document_id}}/texto", _read_text),
        serve(f"{DATA_LAKE}/processos/{{number}}/documentos/{{document_id}}/binario", _read_binary),
        serve(f"{DATA_LAKE}/processos/{{number}}/documentos/{{document_id}}/texto", _read_text),
        Mount("/api", app=elsewhere),
        Mount("/processo-api", app=elsewhere),
    ]


class _Endpoint:
    """Counts a request, makes it wait, checks its token, and lets the faults have their say."""

    def __init__(self, court: Court, reading: Reading) -> None:
        self._court = court
        self._read = reading

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        stats = self._court.stats
        stats.begin()
        try:
            if self._court.latency:
                await asyncio.sleep(self._court.latency)
            answer = await self._answer(Request(scope))
            if await transmit(answer, scope, receive, send):
                if answer.document_id is not None:
                    stats.served(answer.document_id)
                elif answer.listing:
                    stats.listed()
        finally:
            stats.end()

    async def _answer(self, request: Request) -> Answer:
        call = self._read(self._court, request)
        faulty = await self._fault(call, before_token=True)
        if faulty is not None:
            return faulty
        if not self._court.tokens.accepts(request.headers.get("authorization", "")):
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


def _read_details(court: Court, request: Request) -> Call:
    number, case = _process(court, request.path_params["number"])
    answer = answers.no_records() if case is None else answers.listing(details(case))
    return Call(Target.DETAILS, request.scope["path"], answer, number, case)


def _read_search(court: Court, request: Request) -> Call:
    """By number only; other searches find nothing, and a number's second page is past the end."""
    number, case = _process(court, request.query_params.get("numeroProcesso", ""))
    if "searchAfter" in request.query_params:
        answer = answers.no_records()
    else:
        answer = answers.no_hits() if case is None else answers.search(search_hit(case))
    return Call(Target.SEARCH, request.scope["path"], answer, number, case)


def _read_binary(court: Court, request: Request) -> Call:
    return _read_document(court, request, answers.binary)


def _read_text(court: Court, request: Request) -> Call:
    return _read_document(court, request, answers.text)


def _read_document(court: Court, request: Request, say: Callable[[Document], Answer]) -> Call:
    path = request.scope["path"]
    number, case = _process(court, request.path_params["number"])
    document = case.by_id.get(request.path_params["document_id"]) if case else None
    answer = say(document) if document else answers.no_route(path)
    return Call(Target.DOCUMENT, path, answer, number, case, document)


def _read_elsewhere(court: Court, request: Request) -> Call:
    path = request.scope["path"]
    return Call(Target.ELSEWHERE, path, answers.no_route(path))


def _process(court: Court, text: str) -> tuple[str | None, Case | None]:
    number = _number(text)
    return (None, None) if number is None else (number.canonical, court.case(number))


@lru_cache(maxsize=8192)
def _number(text: str) -> ProcessNumber | None:
    try:
        return ProcessNumber.parse(text)
    except InvalidProcessNumber:
        return None
