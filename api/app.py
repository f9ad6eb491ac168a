"""Wires the API together."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from importlib.metadata import version

from fastapi import FastAPI

from adapters.court_watch import CourtWatch
from adapters.database import Catalog, Database
from adapters.links import LinkSigner
from adapters.sealing import Seal
from adapters.storage import ObjectStore
from adapters.temporal import connect
from api import court, health, processes
from api.access import Gatekeeper
from api.answers import Answers
from api.body_limit import BodyLimit
from api.court import CourtDesk
from api.downloads import Downloads
from api.problems import install_problem_handlers
from api.request_ids import RequestIds
from api.runs import Runs
from settings import Settings
from workflows.options import PROCESSES_QUEUE

_DESCRIPTION = (
    "Downloads every document of a Brazilian court process into an S3 bucket and hands out links that work. "
    "Name a process by its CNJ number; ask again as often as you like."
)


def create_app(settings: Settings) -> FastAPI:
    """The API over the given settings. It starts without Temporal and the store, and says so when asked."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            seal = Seal(settings.secret_keys) if settings.secret_keys else None
            catalog = Catalog(Database(settings.effective_database_url), seal)
            stack.push_async_callback(catalog.close)
            temporal = await connect(lazy=True)
            runs = Runs(temporal)
            signer = await LinkSigner.open(settings.public_storage_address, settings.link_ttl)
            store = await ObjectStore.open(stack, settings.storage_address)
            app.state.answers = Answers(catalog, signer, runs)
            app.state.downloads = Downloads(catalog, runs, settings.webhook_policy, settings.listing_max_age)
            app.state.court = CourtDesk(catalog, CourtWatch(temporal, task_queue=PROCESSES_QUEUE))
            app.state.checks = {"database": catalog.check, "storage": store.check, "temporal": runs.check}
            yield

    app = FastAPI(
        title="Autos",
        version=version("autos"),
        description=_DESCRIPTION,
        license_info={"name": "MIT"},
        lifespan=lifespan,
        redoc_url=None,
    )
    key = settings.api_key
    app.state.gatekeeper = Gatekeeper(key.get_secret_value() if key else None, settings.effective_public_url)
    install_problem_handlers(app)
    app.add_middleware(BodyLimit)
    app.add_middleware(RequestIds)
    app.include_router(processes.router)
    app.include_router(court.router)
    app.include_router(health.router)
    return app
