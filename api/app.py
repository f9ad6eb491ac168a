"""Wires the API together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import structlog
from fastapi import FastAPI

from adapters.database import Catalog, Database
from adapters.security.encryption import Encryptor, PayloadEncryptor
from adapters.security.rate_limits import RateLimiter
from adapters.storage import ObjectStore
from adapters.storage.link_issuer import LinkIssuer
from adapters.storage.presigned_urls import LinkSigner
from adapters.telemetry import open_tracer
from adapters.temporal.batch_client import BatchClient
from adapters.temporal.bundle_client import BundleClient
from adapters.temporal.connection import connect, report_trouble
from adapters.temporal.deployment_load import DeploymentLoadClient
from adapters.temporal.erasure_client import ErasureClient
from adapters.temporal.monitor_client import MonitorClient
from adapters.temporal.payload_codec import EncryptingCodec, JsonCodec
from adapters.temporal.run_client import RunClient
from adapters.temporal.run_control import RunControlClient
from adapters.temporal.worker_counts import WorkerCountClient
from adapters.webhooks import AddressGuard, WebhookSender
from api.auth import Authenticator
from api.middleware.access_log import AccessLog
from api.middleware.body_limit import BodyLimit
from api.middleware.codec_cors import CodecCors
from api.middleware.compression import Compression
from api.middleware.methods import Methods
from api.middleware.private_answers import PrivateAnswers
from api.middleware.rate_headers import RateHeaders
from api.middleware.request_ids import RequestIds
from api.middleware.request_metrics import RequestMetrics
from api.middleware.request_spans import RequestSpans
from api.openapi import install_openapi, operation_id
from api.origins import Origin, Origins
from api.pages import reference
from api.pages import routes as pages
from api.pages.session import Sessions
from api.pages.visits import Visits
from api.presenters import ProcessPresenter
from api.problems import pages as problem_pages
from api.problems.handlers import install_problem_handlers
from api.routes import (
    accesses,
    actions,
    batches,
    bundles,
    cases,
    codec,
    court,
    erasure,
    events,
    health,
    lists,
    metrics,
    processes,
    status,
    watches,
    webhooks,
)
from api.schemas.webhook_events import event_routes
from api.services.accesses import AccessService
from api.services.actions import ProcessActionService
from api.services.alert_delivery import AlertDelivery
from api.services.archives import ArchiveService
from api.services.batches import BatchService
from api.services.bundles import BundleService
from api.services.cases import CaseService
from api.services.court import CourtService
from api.services.downloads import DownloadService
from api.services.erasures import ErasureService
from api.services.events import EventService
from api.services.lists import ListService
from api.services.metrics import Metrics
from api.services.readiness import StoreReadiness
from api.services.watches import WatchService
from api.services.webhooks import WebhookService
from api.services.worker_alerts import WorkerAlertService
from api.services.worker_presence import WorkerPresence
from api.status_stream import StatusBroadcaster
from domain.background_tasks import cancel_and_wait
from domain.errors import ConfigurationError
from domain.spans import Tracer
from domain.version import VERSION
from settings import Settings

_DESCRIPTION = (
    "Downloads every document of a Brazilian court process into an S3 bucket and returns links to them. "
    "A process is identified by its CNJ number. Requests can be repeated safely."
)
_log = structlog.get_logger()
# In the order of the documentation.
_ROUTERS = (
    *(processes.router, cases.router, status.router, actions.router, bundles.router, lists.router),
    *(batches.router, watches.router, events.router, webhooks.router, court.router),
    *(accesses.router, erasure.router),
    *(health.router, metrics.router, problem_pages.router, pages.router, reference.router),
)


def create_app(settings: Settings) -> FastAPI:
    """Return the API for these settings. It starts even if Temporal or the store does not answer."""
    encryptor = Encryptor(settings.secret_keys) if settings.secret_keys else None
    payload_encryptor = PayloadEncryptor(settings.payload_keys) if settings.payload_keys else None
    catalog = Catalog(Database(settings.effective_database_url), encryptor)
    # Before anything listens, so that a wrong setting is one clear line.
    alert_sender = _create_alert_sender(settings, catalog)
    tracer = open_tracer(settings.otlp_url, settings.otlp_header_text, service="autos-api")

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        generate_openapi()
        async with AsyncExitStack() as stack:
            stack.push_async_callback(tracer.close)
            stack.push_async_callback(catalog.close)
            sender = None
            if alert_sender is not None:
                sender, address_guard = alert_sender
                stack.callback(address_guard.close)
                stack.push_async_callback(sender.close)
            await _open_services(app, settings, catalog, sender, payload_encryptor, tracer, stack)
            yield

    app = FastAPI(
        title="Autos API",
        version=VERSION,
        description=_DESCRIPTION,
        license_info={"name": "MIT", "identifier": "MIT"},
        servers=[{"url": settings.effective_public_url}] if settings.public_url else [],
        lifespan=lifespan,
        # Replaced by a page of our own: api/pages/reference.py.
        docs_url=None,
        # Replaced by a route that does not serialize the description for each request: api/openapi.py.
        openapi_url=None,
        redoc_url=None,
        # Starlette's redirect is built from the Host header and the scheme that a TLS proxy speaks to us.
        redirect_slashes=False,
        webhooks=event_routes(),
        generate_unique_id_function=operation_id,
        # Its own spans and logs have raw URLs and the texts of exceptions.
        telemetry={"auto_configure": False, "tracing": False, "metrics": False, "logs": False},
    )
    generate_openapi = install_openapi(app)
    key = settings.api_key
    app.state.catalog = catalog
    app.state.metrics = Metrics()
    app.state.origins = Origins(settings.effective_public_url)
    app.state.sessions = Sessions(encryptor, settings.effective_public_url)
    app.state.visits = Visits(encryptor, settings.effective_public_url)
    app.state.authenticator = Authenticator(
        key.get_secret_value() if key else None,
        settings.effective_public_url,
        catalog.clients,
        RateLimiter(settings.wrong_keys_per_minute),
        app.state.sessions.key_of,
    )
    install_problem_handlers(app)
    app.add_middleware(Compression)
    app.add_middleware(Methods)
    app.add_middleware(BodyLimit)
    app.add_middleware(PrivateAnswers)
    app.add_middleware(RateHeaders)
    _install_codec(app, settings, payload_encryptor)
    # Added after the others, so it is outside of them: it also logs what they refuse.
    if settings.access_log:
        app.add_middleware(AccessLog)
    if tracer.is_on:
        app.add_middleware(RequestSpans, tracer=tracer)
    app.add_middleware(RequestIds)
    # Added last, so it is the outermost: it also counts the requests that the others refuse.
    app.add_middleware(RequestMetrics, metrics=app.state.metrics)
    for router in _ROUTERS:
        app.include_router(router)
    return app


def _install_codec(app: FastAPI, settings: Settings, encryptor: PayloadEncryptor | None) -> None:
    """Add the codec for Temporal's UI, if there are keys and origins for it.

    Raises:
        ConfigurationError: One of the origins is not valid.
    """
    if not settings.codec_origins:
        return
    parsed = [Origin.parse(text.rstrip("/")) for text in settings.codec_origins]
    if None in parsed:
        raise ConfigurationError(
            "AUTOS_CODEC_ORIGINS must be origins separated by commas, as in https://temporal.example.org."
        )
    if encryptor is None:
        _log.warning("the codec stays off", detail="AUTOS_CODEC_ORIGINS has no effect without AUTOS_PAYLOAD_KEY.")
        return
    origins = tuple(map(str, parsed))
    app.state.codec = JsonCodec(EncryptingCodec(encryptor))
    app.state.codec_origins = frozenset(origins)
    app.include_router(codec.router)
    app.add_middleware(CodecCors, origins=origins)


async def _open_services(
    app: FastAPI,
    settings: Settings,
    catalog: Catalog,
    alert_sender: WebhookSender | None,
    payload_encryptor: PayloadEncryptor | None,
    tracer: Tracer,
    stack: AsyncExitStack,
) -> None:
    """Connect to Temporal and the store, and put the services into ``app.state``."""
    temporal = await connect(payload_encryptor, lazy=True, tracer=tracer)
    trouble_reporter = asyncio.create_task(report_trouble(temporal))
    stack.push_async_callback(cancel_and_wait, [trouble_reporter])
    runs = RunClient(temporal)
    catalog.accesses.is_kept = settings.access_trail
    store = await ObjectStore.open(stack, settings.storage_address, tracer=tracer)
    signer = await LinkSigner.open(settings.public_storage_address, settings.link_ttl, store, tracer)
    links = LinkIssuer(signer, catalog.accesses.record)
    address_guard = AddressGuard(
        settings.webhook_policy,
        proxied=settings.webhook_proxy_url is not None,
        has_keys=catalog.clients.has_keys,
    )
    stack.callback(address_guard.close)
    presence = WorkerPresence(WorkerCountClient(temporal).count)
    presenter = ProcessPresenter(catalog, links, runs, presence.warnings)
    broadcaster = StatusBroadcaster()
    stack.push_async_callback(broadcaster.aclose)
    downloads = DownloadService(catalog, runs, address_guard, settings.listing_max_age)
    app.state.presenter = presenter
    app.state.broadcaster = broadcaster
    app.state.downloads = downloads
    app.state.accesses = AccessService(catalog)
    app.state.actions = ProcessActionService(presenter, downloads, runs, RunControlClient(temporal))
    app.state.archives = ArchiveService(catalog, store, catalog.accesses.record)
    app.state.erasures = ErasureService(catalog, store, runs, ErasureClient(temporal))
    app.state.events = EventService(catalog, links, settings.effective_public_url)
    app.state.watches = WatchService(catalog, address_guard)
    app.state.cases = CaseService(catalog)
    app.state.lists = ListService(catalog, presenter)
    app.state.batches = BatchService(catalog, BatchClient(temporal), address_guard, presence.warnings)
    app.state.bundles = BundleService(catalog, BundleClient(temporal), runs, links, address_guard)
    app.state.webhooks = WebhookService(catalog, runs, address_guard)
    app.state.court = CourtService(catalog, MonitorClient(temporal))
    app.state.worker_presence = presence
    app.state.read_load = DeploymentLoadClient(temporal).read
    _review_workers(settings, catalog, runs, presence, alert_sender, stack)
    app.state.readiness_checks = {
        "database": catalog.check,
        "storage": StoreReadiness(store).check,
        "temporal": runs.check_health,
    }


def _review_workers(
    settings: Settings,
    catalog: Catalog,
    runs: RunClient,
    presence: WorkerPresence,
    sender: WebhookSender | None,
    stack: AsyncExitStack,
) -> None:
    """Start the task that follows the workers' presence and raises the alert that there are none."""
    delivery = AlertDelivery(catalog, runs, sender, public_url=settings.effective_public_url)
    stack.push_async_callback(delivery.close)
    service = WorkerAlertService(
        presence, catalog.alerts, delivery, url=settings.alert_url, patience=settings.alert_worker_patience
    )
    reviewing = asyncio.create_task(service.run(), name="review of the workers")
    stack.push_async_callback(cancel_and_wait, [reviewing])


def _create_alert_sender(settings: Settings, catalog: Catalog) -> tuple[WebhookSender, AddressGuard] | None:
    """Return the sender of alerts for when there is no worker, and its guard. None if nothing can be sent.

    Its guard is not the one that checks clients' addresses, which leaves the decision to an egress proxy.

    Raises:
        ConfigurationError: Alerts may not go to their address, or the secret is not valid.
    """
    if settings.alert_url is None:
        return None
    if settings.webhook_secret is None:
        _log.warning("alerts wait for a worker", detail="AUTOS_WEBHOOK_SECRET is not set for the API.")
        return None
    address_guard = AddressGuard(settings.webhook_policy, has_keys=catalog.clients.has_keys)
    proxy_url = settings.webhook_proxy_url.get_secret_value() if settings.webhook_proxy_url else None
    return WebhookSender(
        settings.webhook_secret.get_secret_value(), address_guard, proxy_url=proxy_url
    ), address_guard
