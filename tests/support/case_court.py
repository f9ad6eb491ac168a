"""A court that serves given listings and documents, byte for byte, as the portal would."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.support.conditions import eventually_sync

Answer = Callable[[], Response]


@dataclass
class CaseCourt:
    """The court while it runs.

    Attributes:
        listings: The answer to the details of a process, by its number.
        documents: The answer for a document, by its id and `binario` or `texto`.
        any_document: The answer for every other document.
        requests: The paths that were asked for.
    """

    url: str
    any_document: Answer
    listings: dict[str, Answer] = field(default_factory=dict)
    documents: dict[tuple[str, str], Answer] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)


@contextmanager
def case_court(any_document: bytes) -> Iterator[CaseCourt]:
    """Run a court for as long as the block lasts. Every document is these bytes unless a test says otherwise."""
    listening = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    court = CaseCourt(url, lambda: Response(any_document, media_type="application/pdf"))

    async def details(request: Request) -> Response:
        court.requests.append(request.url.path)
        return court.listings[request.path_params["number"]]()

    async def search(_: Request) -> Response:
        return JSONResponse({"total": 1, "content": [{}]})

    async def document(request: Request) -> Response:
        court.requests.append(request.url.path)
        asked = request.path_params["id"], request.path_params["kind"]
        return court.documents.get(asked, court.any_document)()

    app = Starlette(
        routes=[
            Route("/api/v2/processos", search),
            Route("/api/v2/processos/{number}", details),
            Route("/api/v2/processos/{number}/documentos/{id}/{kind}", document),
        ]
    )
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", loop="asyncio", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
    thread.start()
    eventually_sync(lambda: server.started, "the court of the cases")
    try:
        yield court
    finally:
        server.should_exit = True
        thread.join(10)
