"""The API's authentication by itself: a few routes behind the real authenticator."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import structlog
from fastapi import FastAPI, Query, Request
from starlette.responses import JSONResponse, Response

from adapters.database import Catalog
from adapters.security.rate_limits import RateLimiter
from api.auth import Authenticator
from api.deps import Administrator, Downloader, Reader, StartingDownloader
from api.middleware.rate_headers import RateHeaders
from api.middleware.request_ids import RequestIds
from api.problems.handlers import install_problem_handlers
from api.schemas.downloads import DownloadQuery

PUBLIC_URL = "http://127.0.0.1:8000"

_log = structlog.get_logger()


def create_guarded_app(
    catalog: Catalog, api_key: str | None = None, key_of_session: Callable[[Request], str | None] = lambda _: None
) -> FastAPI:
    """Create an application with a route per permission: ``/read``, ``/download``, ``/administer``, ``/start``."""
    app = FastAPI()
    app.state.authenticator = Authenticator(api_key, PUBLIC_URL, catalog.clients, RateLimiter(), key_of_session)
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
    async def start(client: StartingDownloader) -> Response:
        return JSONResponse({"client": client.name})

    return app
