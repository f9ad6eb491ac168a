"""A court that serves given listings and documents, byte for byte, at the portal's routes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.support.threaded_server import serving_in_thread

CreateResponse = Callable[[], Response]


@dataclass
class ScriptedCourt:
    """A running court.

    Attributes:
        any_document: The response for every document without an entry in `documents`.
        listings: The response to the details of a process, by its number.
        documents: The response for a document, by its id and `binario` or `texto`.
        requests: The paths that were requested.
    """

    any_document: CreateResponse
    url: str = ""
    listings: dict[str, CreateResponse] = field(default_factory=dict)
    documents: dict[tuple[str, str], CreateResponse] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)


@contextmanager
def running_scripted_court(any_document: bytes) -> Iterator[ScriptedCourt]:
    """Run a court for as long as the block lasts. Every document is these bytes unless a test says otherwise."""
    court = ScriptedCourt(lambda: Response(any_document, media_type="application/pdf"))

    async def details(request: Request) -> Response:
        court.requests.append(request.url.path)
        return court.listings[request.path_params["number"]]()

    async def search(_: Request) -> Response:
        return JSONResponse({"total": 1, "content": [{}]})

    async def document(request: Request) -> Response:
        court.requests.append(request.url.path)
        key = request.path_params["id"], request.path_params["kind"]
        return court.documents.get(key, court.any_document)()

    app = Starlette(
        routes=[
            Route("/api/v2/processos", search),
            Route("/api/v2/processos/{number}", details),
            Route("/api/v2/processos/{number}/documentos/{id}/{kind}", document),
        ]
    )
    with serving_in_thread(app, timeout_graceful_shutdown=1) as url:
        court.url = url
        yield court
