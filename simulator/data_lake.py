"""The data lake's API behind the portal: the part that clients use for downloads."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b

from starlette.requests import Request
from starlette.routing import BaseRoute, Mount, Route

from simulator import responses
from simulator.case import Case, Document
from simulator.court import Court
from simulator.endpoint import (
    Endpoint,
    RequestReader,
    find_process,
    read_binary,
    read_document,
    read_elsewhere,
    read_text,
)
from simulator.lake_listing import lake_details, lake_documents, lake_hit
from simulator.requests import CourtRequest, Target
from simulator.responses import CourtResponse

DATA_LAKE = "/processo-api/api/v1"
_LINKS = "/temporario/{signature}"
_PREPARING_SECONDS = 1


def routes(court: Court) -> list[BaseRoute]:
    """Return the data lake's routes. Every other path of its API gets Spring's 404."""

    def make_route(path: str, read_request: RequestReader, *, needs_token: bool = True) -> Route:
        return Route(DATA_LAKE + path, Endpoint(court, read_request, needs_token=needs_token), methods=["GET"])

    document = "/processos/{number}/documentos/{document_id}"
    return [
        make_route(f"{document}/binario", read_binary),
        make_route(f"{document}/texto", read_text),
        make_route(f"{document}/binario-url", _read_link),
        make_route(_LINKS + document, _read_linked_document, needs_token=False),
        make_route("/processos/{number}/documentos", _read_documents),
        make_route("/processos/{number}/existe", _read_existence),
        make_route("/processos/{number}/possui-acesso", _read_access),
        make_route("/processos/{number}", _read_details),
        make_route("/processos", _read_search),
        Mount("/processo-api", app=Endpoint(court, read_elsewhere)),
    ]


def _read_details(court: Court, request: Request) -> CourtRequest:
    return _read_process(
        court, request, Target.DETAILS, lambda case: responses.listing(lake_details(case) if case else b"[]")
    )


def _read_documents(court: Court, request: Request) -> CourtRequest:
    return _read_process(
        court,
        request,
        Target.DETAILS,
        lambda case: responses.listing(lake_documents(case)) if case else responses.no_records(),
    )


def _read_existence(court: Court, request: Request) -> CourtRequest:
    return _read_process(court, request, Target.EXISTENCE, lambda case: responses.verdict(case is not None))


def _read_access(court: Court, request: Request) -> CourtRequest:
    return _read_process(court, request, Target.ACCESS, lambda case: responses.verdict(case is not None))


def _read_search(court: Court, request: Request) -> CourtRequest:
    """Search by number only."""
    number, case = find_process(court, request.query_params.get("numeroProcesso", ""))
    paged = "searchAfter" in request.query_params
    response = responses.no_records() if case is None or paged else responses.search([lake_hit(case)], total=1)
    return CourtRequest(Target.SEARCH, request.scope["path"], response, number, case)


def _read_process(
    court: Court, request: Request, target: Target, respond: Callable[[Case | None], CourtResponse]
) -> CourtRequest:
    number, case = find_process(court, request.path_params["number"])
    return CourtRequest(target, request.scope["path"], respond(case), number, case)


def _read_link(court: Court, request: Request) -> CourtRequest:
    """Read a request for the link to a document. The first request only starts its preparation."""

    def respond(case: Case, document: Document) -> CourtResponse | None:
        if not document.has_binary:
            return None
        if document.id not in court.prepared_links:
            court.prepared_links.add(document.id)
            return responses.preparing(_PREPARING_SECONDS)
        path = _LINKS.format(signature=_sign(document.id))
        document_path = f"/processos/{case.number.digits}/documentos/{document.id}"
        return responses.link(f"{str(request.base_url).rstrip('/')}{DATA_LAKE}{path}{document_path}")

    return read_document(court, request, respond)


def _read_linked_document(court: Court, request: Request) -> CourtRequest:
    """Read a request through a link, whose signature replaces the token."""

    def respond(case: Case, document: Document) -> CourtResponse | None:
        is_signed = request.path_params["signature"] == _sign(document.id)
        return responses.binary(case, document) if is_signed and document.has_binary else None

    return read_document(court, request, respond)


def _sign(document_id: str) -> str:
    return blake2b(document_id.encode(), digest_size=16, person=b"simulated link").hexdigest()
