"""The API's door by itself: a few routes behind the real gatekeeper."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import structlog
from fastapi import FastAPI, Query, Request
from starlette.responses import JSONResponse, Response

from adapters.database import Catalog
from adapters.rate_limits import RateLimits
from api.access import Administrator, Downloader, Gatekeeper, Reader, Starter
from api.parameters import DownloadQuery
from api.problems import install_problem_handlers
from api.rates import RateHeaders
from api.request_ids import RequestIds

PUBLIC_URL = "http://127.0.0.1:8000"

_log = structlog.get_logger()


def door(
    catalog: Catalog, api_key: str | None = None, key_of_session: Callable[[Request], str | None] = lambda _: None
) -> FastAPI:
    """An application that lets in whom the API lets in: ``/read``, ``/download``, ``/administer``, ``/start``."""
    app = FastAPI()
    app.state.gatekeeper = Gatekeeper(api_key, PUBLIC_URL, catalog.clients, RateLimits(), key_of_session)
    install_problem_handlers(app)
    app.add_middleware(RateHeaders)
    app.add_middleware(RequestIds)

    @app.get("/read")
    async def read(client: Reader, query: Annotated[DownloadQuery, Query()]) -> Response:
        _log.info("read")
        return JSONResponse({"client": client.name, "key_id": client.key_id, "scopes": sorted(client.scopes)})

    @app.post("/download")
    async def download(client: Downloader) -> Response:
        return JSONResponse({"client": client.name})

    @app.post("/administer")
    async def administer(client: Administrator) -> Response:
        return JSONResponse({"client": client.name})

    @app.post("/start")
    async def start(client: Starter) -> Response:
        return JSONResponse({"client": client.name})

    return app
