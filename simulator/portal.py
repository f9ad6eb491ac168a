"""The portal's API."""

from __future__ import annotations

from starlette.requests import Request
from starlette.routing import BaseRoute, Mount, Route

from simulator import answers
from simulator.calls import Call, Target
from simulator.court import Court
from simulator.endpoint import Endpoint, Reading, find_process, read_binary, read_elsewhere, read_text
from simulator.listing import details, search_hit
from simulator.search import found

PORTAL = "/api/v2"


def routes(court: Court) -> list[BaseRoute]:
    """The portal's routes. Every other path of its API gets Spring's 404."""

    def serve(path: str, reading: Reading) -> Route:
        return Route(PORTAL + path, Endpoint(court, reading), methods=["GET"])

    return [
        serve("/processos/{number}/documentos/{document_id}/binario", read_binary),
        serve("/processos/{number}", _read_details),
        serve("/processos", _read_search),
        serve("/processos/", _read_search),
        serve("/processos/{number}/documentos/{document_id}/texto", read_text),
        Mount("/api", app=Endpoint(court, read_elsewhere)),
    ]


def _read_details(court: Court, request: Request) -> Call:
    number, case = find_process(court, request.path_params["number"])
    answer = answers.no_records() if case is None else answers.listing(details(case))
    return Call(Target.DETAILS, request.scope["path"], answer, number, case)


def _read_search(court: Court, request: Request) -> Call:
    """By number, or else by lawyer, or else by party; with none of them nothing is found."""
    query = request.query_params
    number, case = find_process(court, query.get("numeroProcesso", ""))
    if "numeroProcesso" not in query:
        answer = found(court, query)
    elif "searchAfter" in query:
        answer = answers.no_records()
    else:
        answer = answers.no_hits() if case is None else answers.search([search_hit(case)], total=1)
    return Call(Target.SEARCH, request.scope["path"], answer, number, case)
