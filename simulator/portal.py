"""The portal's API."""

from __future__ import annotations

from starlette.requests import Request
from starlette.routing import BaseRoute, Mount, Route

from simulator import responses
from simulator.court import Court
from simulator.endpoint import Endpoint, RequestReader, find_process, read_binary, read_elsewhere, read_text
from simulator.listing import details, search_hit
from simulator.requests import CourtRequest, Target
from simulator.search import search_by_person

PORTAL = "/api/v2"


def routes(court: Court) -> list[BaseRoute]:
    """Return the portal's routes. Every other path of its API gets Spring's 404."""

    def make_route(path: str, read_request: RequestReader) -> Route:
        return Route(PORTAL + path, Endpoint(court, read_request), methods=["GET"])

    return [
        make_route("/processos/{number}/documentos/{document_id}/binario", read_binary),
        make_route("/processos/{number}", _read_details),
        make_route("/processos", _read_search),
        make_route("/processos/", _read_search),
        make_route("/processos/{number}/documentos/{document_id}/texto", read_text),
        Mount("/api", app=Endpoint(court, read_elsewhere)),
    ]


def _read_details(court: Court, request: Request) -> CourtRequest:
    number, case = find_process(court, request.path_params["number"], court.list_case)
    response = responses.no_records() if case is None else responses.listing(details(case))
    return CourtRequest(Target.DETAILS, request.scope["path"], response, number, case)


def _read_search(court: Court, request: Request) -> CourtRequest:
    """Search by number, otherwise by lawyer, otherwise by party. Without any of them, there are no results."""
    query = request.query_params
    number, case = find_process(court, query.get("numeroProcesso", ""))
    if "numeroProcesso" not in query:
        response = search_by_person(court, query)
    elif "searchAfter" in query:
        response = responses.no_records()
    else:
        response = responses.no_hits() if case is None else responses.search([search_hit(case)], total=1)
    return CourtRequest(Target.SEARCH, request.scope["path"], response, number, case)
