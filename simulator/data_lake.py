"""The data lake's API behind the portal, as far as its clients download with it."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b

from starlette.requests import Request
from starlette.routing import BaseRoute, Mount, Route

from simulator import answers
from simulator.answers import Answer
from simulator.calls import Call, Target
from simulator.case import Case, Document
from simulator.court import Court
from simulator.endpoint import (
    Endpoint,
    Reading,
    find_process,
    read_binary,
    read_document,
    read_elsewhere,
    read_text,
)
from simulator.lake_listing import lake_details, lake_documents, lake_hit

DATA_LAKE = "/processo-api/api/v1"
_LINKS = "/temporario/{signature}"
_PREPARING_SECONDS = 1


def routes(court: Court) -> list[BaseRoute]:
    """The data lake's routes. Every other path of its API gets Spring's 404."""

    def serve(path: str, reading: Reading, *, needs_token: bool = True) -> Route:
        return Route(DATA_LAKE + path, Endpoint(court, reading, needs_token=needs_token), methods=["GET"])

    document = "/processos/{number}/documentos/{document_id}"
    return [
        serve(f"{document}/binario", read_binary),
        serve(f"{document}/texto", read_text),
        serve(f"{document}/binario-url", _read_link),
        serve(_LINKS + document, _read_linked, needs_token=False),
        serve("/processos/{number}/documentos", _read_documents),
        serve("/processos/{number}/existe", _read_existence),
        serve("/processos/{number}/possui-acesso", _read_access),
        serve("/processos/{number}", _read_details),
        serve("/processos", _read_search),
        Mount("/processo-api", app=Endpoint(court, read_elsewhere)),
    ]


def _read_details(court: Court, request: Request) -> Call:
    return _read_process(
        court, request, Target.DETAILS, lambda case: answers.listing(lake_details(case) if case else b"[]")
    )


def _read_documents(court: Court, request: Request) -> Call:
    return _read_process(
        court,
        request,
        Target.DETAILS,
        lambda case: answers.listing(lake_documents(case)) if case else answers.no_records(),
    )


def _read_existence(court: Court, request: Request) -> Call:
    return _read_process(court, request, Target.EXISTENCE, lambda case: answers.verdict(case is not None))


def _read_access(court: Court, request: Request) -> Call:
    return _read_process(court, request, Target.ACCESS, lambda case: answers.verdict(case is not None))


def _read_search(court: Court, request: Request) -> Call:
    """By number only."""
    number, case = find_process(court, request.query_params.get("numeroProcesso", ""))
    paged = "searchAfter" in request.query_params
    answer = answers.no_records() if case is None or paged else answers.search([lake_hit(case)], total=1)
    return Call(Target.SEARCH, request.scope["path"], answer, number, case)


def _read_process(court: Court, request: Request, target: Target, say: Callable[[Case | None], Answer]) -> Call:
    number, case = find_process(court, request.path_params["number"])
    return Call(target, request.scope["path"], say(case), number, case)


def _read_link(court: Court, request: Request) -> Call:
    """Whoever asks first has to come again."""

    def say(case: Case, document: Document) -> Answer | None:
        if not document.has_binary:
            return None
        if document.id not in court.prepared:
            court.prepared.add(document.id)
            return answers.preparing(_PREPARING_SECONDS)
        path = _LINKS.format(signature=_signature(document.id))
        tail = f"/processos/{case.number.digits}/documentos/{document.id}"
        return answers.link(f"{str(request.base_url).rstrip('/')}{DATA_LAKE}{path}{tail}")

    return read_document(court, request, say)


def _read_linked(court: Court, request: Request) -> Call:
    """The link's signature stands for a token."""

    def say(case: Case, document: Document) -> Answer | None:
        signed = request.path_params["signature"] == _signature(document.id)
        return answers.binary(case, document) if signed and document.has_binary else None

    return read_document(court, request, say)


def _signature(document_id: str) -> str:
    return blake2b(document_id.encode(), digest_size=16, person=b"simulated link").hexdigest()
