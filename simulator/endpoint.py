"""Handling of every request to the court: counts, latency, token check and faults."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import lru_cache

from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from domain.errors import InvalidProcessNumber
from domain.process_number import ProcessNumber
from simulator import responses
from simulator.case import Case, Document
from simulator.court import Court
from simulator.requests import CourtRequest, Target
from simulator.responses import CourtResponse
from simulator.wire import transmit

RequestReader = Callable[[Court, Request], CourtRequest]


class Endpoint:
    """ASGI application that counts a request, delays it, checks its token and applies faults."""

    def __init__(self, court: Court, read_request: RequestReader, *, needs_token: bool = True) -> None:
        self._court = court
        self._read_request = read_request
        self._needs_token = needs_token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        stats = self._court.stats
        request = Request(scope)
        court_request = self._read_request(self._court, request)
        stats.request_started(court_request.target)
        try:
            if self._court.latency:
                await asyncio.sleep(self._court.latency)
            response = await self._respond(request, court_request)
            if response.refuses_token:
                stats.token_refused()
            if await transmit(response, scope, receive, send):
                if response.document_id is not None:
                    stats.document_served(response.document_id)
                elif response.listing:
                    stats.listing_sent()
        finally:
            stats.request_ended()

    async def _respond(self, request: Request, court_request: CourtRequest) -> CourtResponse:
        faulty_response = await self._respond_with_fault(court_request, before_token=True)
        if faulty_response is not None:
            return faulty_response
        if self._needs_token and not self._court.tokens.accepts(request.headers.get("authorization", "")):
            return responses.token_rejected()
        return await self._respond_with_fault(court_request, before_token=False) or court_request.response

    async def _respond_with_fault(self, court_request: CourtRequest, *, before_token: bool) -> CourtResponse | None:
        fault = self._court.faults.match_and_count(court_request, before_token=before_token)
        if fault is None:
            return None
        kind, options = fault
        if options.delay_seconds and not kind.delays_pieces:
            await asyncio.sleep(options.delay_seconds)
        return kind.respond(court_request, options)


def read_binary(court: Court, request: Request) -> CourtRequest:
    """Read a request for a document's bytes. Without a binary, the response is 404."""
    return read_document(
        court, request, lambda case, document: responses.binary(case, document) if document.has_binary else None
    )


def read_text(court: Court, request: Request) -> CourtRequest:
    """Read a request for a document's text."""
    return read_document(court, request, lambda case, document: responses.text(document))


def read_document(
    court: Court, request: Request, respond: Callable[[Case, Document], CourtResponse | None]
) -> CourtRequest:
    """Read a request for the document in the path.

    Args:
        court: the court's state.
        request: the HTTP request.
        respond: returns the response. ``None`` means Spring's 404, which unknown documents get too.
    """
    path = request.scope["path"]
    number, case = find_process(court, request.path_params["number"])
    document = case.by_id.get(request.path_params["document_id"]) if case else None
    response = respond(case, document) if case and document and document.has_content else None
    return CourtRequest(Target.DOCUMENT, path, response or responses.no_route(path), number, case, document)


def read_elsewhere(court: Court, request: Request) -> CourtRequest:
    """Read a request to a path that the API does not have. The response is 404."""
    path = request.scope["path"]
    return CourtRequest(Target.ELSEWHERE, path, responses.no_route(path))


def find_process(
    court: Court, text: str, find: Callable[[ProcessNumber], Case | None] | None = None
) -> tuple[str | None, Case | None]:
    """Parse a process number and look it up.

    Args:
        court: the court's state.
        text: the number.
        find: finds the process. ``None`` finds it as a whole.

    Returns:
        The canonical number, ``None`` if it is invalid, and the process, ``None`` if the court does not have it.
    """
    number = _parse_number(text)
    return (None, None) if number is None else (number.canonical, (find or court.find_case)(number))


@lru_cache(maxsize=8192)
def _parse_number(text: str) -> ProcessNumber | None:
    try:
        return ProcessNumber.parse(text)
    except InvalidProcessNumber:
        return None
