"""Wires the API together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from importlib.metadata import version

from fastapi import FastAPI

from adapters.court_watch import CourtWatch
from adapters.database import Catalog, Database
from adapters.rate_limits import RateLimits
from adapters.sealing import Seal
from adapters.storage import ObjectStore
from adapters.storage.presigned_urls import LinkSigner
from adapters.temporal import connect, report_trouble
from adapters.webhooks import Destinations
from api import actions, batches, court, health, lists, metrics, pages, problem_pages, processes, status, webhooks
from api.access import Gatekeeper
from api.actions import Actions
from api.answers import Answers
from api.batch_runs import BatchRuns
from api.batches import BatchDesk
from api.body_limit import BodyLimit
from api.controls import Controls
from api.court import CourtDesk
from api.downloads import Downloads
from api.headers import PrivateAnswers
from api.metrics import Metrics, RequestMetrics
from api.openapi import describe, operation_id
from api.pages import reference
from api.pages.session import Sessions
from api.problems import install_problem_handlers
from api.rates import RateHeaders
from api.request_ids import RequestIds
from api.runs import Runs
from api.watching import Watching
from api.webhook_events import described_events
from api.webhooks import WebhookDesk
from settings import Settings
from workflows.options import PROCESSES_QUEUE

_DESCRIPTION = (
    "Downloads every document of a Brazilian court process into an S3 bucket and hands out links that work. "
    "Name a process by its CNJ number; ask again as often as you like."
)


def create_app(settings: Settings) -> FastAPI:
    """The API over the given settings. It starts without Temporal and the store, and says so when asked."""

    seal = Seal(settings.secret_keys) if settings.secret_keys else None
    catalog = Catalog(Database(settings.effective_database_url), seal)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            stack.push_async_callback(catalog.close)
            temporal = await connect(lazy=True)
            reporting = asyncio.create_task(report_trouble(temporal))
            stack.callback(reporting.cancel)
            runs = Runs(temporal)
            store = await ObjectStore.open(stack, settings.storage_address)
            signer = await LinkSigner.open(settings.public_storage_address, settings.link_ttl, store)
            destinations = Destinations(
                settings.webhook_policy,
                proxied=settings.webhook_proxy_url is not None,
                any_keys=catalog.clients.any_keys,
            )
            stack.callback(destinations.close)
            app.state.answers = Answers(catalog, signer, runs)
            app.state.watching = Watching(app.state.answers)
            stack.callback(app.state.watching.close)
            app.state.downloads = Downloads(catalog, runs, destinations, settings.listing_max_age)
            app.state.actions = Actions(app.state.answers, app.state.downloads, runs, Controls(temporal))
            app.state.webhooks = WebhookDesk(catalog, runs, destinations)
            app.state.batches = BatchDesk(catalog, BatchRuns(temporal), destinations)
            app.state.court = CourtDesk(catalog, CourtWatch(temporal, task_queue=PROCESSES_QUEUE))
            app.state.checks = {
                "database": catalog.check,
                "storage": health.StoreReadiness(store).check,
                "temporal": runs.check,
            }
            yield

    app = FastAPI(
        title="Autos",
        version=version("autos"),
        description=_DESCRIPTION,
        license_info={"name": "MIT"},
        lifespan=lifespan,
        # A page of ours takes its place: api/pages/reference.py.
        docs_url=None,
        # So does a route that does not write the description anew each time: api/openapi.py.
        openapi_url=None,
        redoc_url=None,
        webhooks=described_events(),
        generate_unique_id_function=operation_id,
    )
    describe(app)
    key = settings.api_key
    app.state.sessions = Sessions(seal, settings.effective_public_url)
    app.state.gatekeeper = Gatekeeper(
        key.get_secret_value() if key else None,
        settings.effective_public_url,
        catalog.clients,
        RateLimits(settings.wrong_keys_per_minute),
        app.state.sessions.key_of,
    )
    install_problem_handlers(app)
    app.add_middleware(BodyLimit)
    app.add_middleware(PrivateAnswers)
    app.add_middleware(RateHeaders)
    app.add_middleware(RequestIds)
    app.state.metrics = Metrics()
    # The last one added is the outermost: it counts what the others refuse, too.
    app.add_middleware(RequestMetrics, metrics=app.state.metrics)
    app.include_router(processes.router)
    app.include_router(status.router)
    app.include_router(actions.router)
    app.include_router(lists.router)
    app.include_router(batches.router)
    app.include_router(webhooks.router)
    app.include_router(court.router)
    app.include_router(health.router)
    app.include_router(metrics.router)
    app.include_router(problem_pages.router)
    app.include_router(pages.router)
    app.include_router(reference.router)
    return app
