"""Wire adapters into activities, and run the workers of both task queues in one service."""

from __future__ import annotations

import asyncio
import gc
import signal
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any, TypedDict

import structlog
from temporalio.client import Client
from temporalio.common import MetricMeter, WorkerDeploymentVersion
from temporalio.runtime import Runtime
from temporalio.worker import (
    Interceptor,
    PollerBehaviorAutoscaling,
    UnsandboxedWorkflowRunner,
    Worker,
    WorkerDeploymentConfig,
)

from activities.alerts import AlertActivities
from activities.batches import BatchActivities
from activities.catalog import CatalogActivities
from activities.court import CourtActivities
from activities.court_circuit import CourtCircuitBreaker
from activities.court_monitor import CourtMonitorActivities
from activities.court_rate_limiter import CourtRateLimiter
from activities.court_tokens import CandidateToken, CourtTokens
from activities.credentials_trial import CredentialsTrial
from activities.failure_lines import shorten_failure_lines
from activities.killed_runs import RunActivities
from activities.log_context import LogContextInterceptor
from activities.metrics import BUCKETS, NO_METRICS, WorkerMetrics
from activities.reset_detection import ResetDetectionInterceptor
from activities.storage import StorageActivities
from activities.store_circuit import StoreCircuitBreaker
from activities.webhooks import WebhookActivities
from adapters.content.media_types import choose_media_type, detect_media_type
from adapters.content.pdf_inspection import PdfInspector
from adapters.court_pdpj import PdpjClient, TokenRefreshClient
from adapters.database import Catalog, Database
from adapters.database.urls import engine_arguments
from adapters.memory import return_large_buffers
from adapters.security.encryption import Encryptor, PayloadEncryptor
from adapters.storage import ObjectStore
from adapters.storage.presigned_urls import LinkSigner
from adapters.temporal.connection import connect_patiently, read_queue_rate_limit
from adapters.temporal.metrics_exporter import open_metrics_runtime
from adapters.temporal.monitor_client import MonitorClient
from adapters.temporal.run_client import RunClient
from adapters.temporal.schedules import ensure_schedules
from adapters.webhooks import AddressGuard, WebhookSender
from domain.errors import ConfigurationError
from domain.loopback import loopback_port
from domain.version import VERSION
from settings import Settings
from workflows.deliver_webhook import DeliverWebhook
from workflows.download_batch import DownloadBatch
from workflows.download_process import DownloadProcess
from workflows.monitor_court import MonitorCourt
from workflows.options import COURT_QUEUE, HEARTBEAT_TIMEOUT, PROCESSES_QUEUE
from workflows.request_headers import RequestHeadersInterceptor
from workflows.review_alerts import ReviewAlerts
from workflows.sweep_batches import SweepBatches
from workflows.sweep_deliveries import SweepDeliveries
from workflows.sweep_uploads import SweepUploads

# A finished download frees its slot only after Temporal has recorded it, so there are more slots than concurrent
# requests to the court. More than twice as many would only wait in this worker, where Temporal's priorities do not
# apply any more.
_COURT_SLOTS_PER_REQUEST = 2
# Every request waits for the rate limiter, which is set a little below the rate. Temporal's own limit is lower
# still, so that tasks wait in Temporal, in the order of their priority, and not here.
_SHARE_OF_RATE = 0.9
_PROCESSES_SLOTS = 500
_GRACEFUL_SHUTDOWN = timedelta(seconds=8)
_PATIENCE_SECONDS = 30.0

_log = structlog.get_logger()


async def run(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT. Then take no new task, and give running activities a few seconds to end.

    Raises:
        DependencyUnavailable: Temporal did not come up.
        ConfigurationError: a setting cannot be used, or one that only workers need is missing.
    """
    return_large_buffers()
    shorten_failure_lines()
    # Report a wrong setting before waiting for anything.
    engine_arguments(settings.effective_database_url)
    encryptor = PayloadEncryptor(settings.payload_keys) if settings.payload_keys else None
    runtime = _serve_metrics(settings)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    client = await _connect_unless(stop, runtime, encryptor)
    if client is None:
        return
    async with AsyncExitStack() as stack:
        for worker in await build_workers(client, settings, stack):
            await stack.enter_async_context(worker)
        await MonitorClient(client).request_check(seconds=_PATIENCE_SECONDS)
        await ensure_schedules(client)
        # What is loaded by now is never garbage: exclude it from every later collection.
        gc.freeze()
        _log.info(
            "worker ready",
            queues=[PROCESSES_QUEUE, COURT_QUEUE],
            # The ids, by which an operator recognizes the key that a payload needs.
            payload_keys=list(encryptor.key_ids) if encryptor else [],
        )
        await stop.wait()
        _log.info("worker stopping")


def _serve_metrics(settings: Settings) -> Runtime | None:
    """Serve metrics if the operator has given an address. No key protects them, and they hold no secrets."""
    if settings.metrics_address is None:
        return None
    runtime = open_metrics_runtime(settings.metrics_address, BUCKETS)
    exposed = loopback_port(f"tcp://{settings.metrics_address}") is None
    log = _log.warning if exposed else _log.info
    log("metrics served", address=settings.metrics_address, exposed=exposed)
    return runtime


async def _connect_unless(
    stop: asyncio.Event, runtime: Runtime | None, encryptor: PayloadEncryptor | None
) -> Client | None:
    connecting = asyncio.ensure_future(connect_patiently(_PATIENCE_SECONDS, runtime, encryptor))
    stopping = asyncio.ensure_future(stop.wait())
    await asyncio.wait({connecting, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if connecting.done():
        return connecting.result()
    connecting.cancel()
    return None


async def build_workers(client: Client, settings: Settings, stack: AsyncExitStack) -> tuple[Worker, Worker]:
    """Return the workers of both task queues, not yet running. Closing the stack closes what they use.

    Raises:
        ConfigurationError: There is no webhook secret, or alerts may not go to their address.
    """
    adapters = await _open_adapters(client, settings, stack)
    shared: WorkerOptions = {
        "graceful_shutdown_timeout": _GRACEFUL_SHUTDOWN,
        "interceptors": [
            # The outermost, so that the others' log lines have its context too.
            LogContextInterceptor(),
            RequestHeadersInterceptor(),
            # One for both workers: what one has checked, the other need not check again.
            ResetDetectionInterceptor(adapters.catalog, adapters.runs),
        ],
        "deployment_config": WorkerDeploymentConfig(
            # Without a name the SDK would hash every loaded module at start.
            WorkerDeploymentVersion("autos", VERSION),
            use_worker_versioning=False,
        ),
    }
    monitor = await _build_monitor(adapters, settings, stack)
    processes = Worker(
        client,
        task_queue=PROCESSES_QUEUE,
        workflows=[
            *(DownloadProcess, DownloadBatch, DeliverWebhook, MonitorCourt),
            *(SweepUploads, SweepDeliveries, SweepBatches, ReviewAlerts),
        ],
        # The sandbox costs an eighth of a busy worker's time. The tests catch what it would: they replay every
        # recorded history inside it.
        workflow_runner=UnsandboxedWorkflowRunner(),
        activities=[
            *_build_process_activities(adapters, settings),
            *(monitor.read_court_state, monitor.plan_court_check, monitor.wake_waiting_runs),
        ],
        # A receiver that never answers holds a slot for fifteen seconds.
        max_concurrent_activities=_PROCESSES_SLOTS,
        **shared,
    )
    court = await _build_court_activities(adapters, settings, stack)
    court_slots = settings.court_concurrency * _COURT_SLOTS_PER_REQUEST
    court_worker = Worker(
        client,
        task_queue=COURT_QUEUE,
        activities=[
            *(court.list_documents, court.download_document),
            *(monitor.probe_court, monitor.try_credentials, monitor.renew_credentials),
        ],
        max_concurrent_activities=court_slots,
        max_heartbeat_throttle_interval=HEARTBEAT_TIMEOUT / 3,
        max_task_queue_activities_per_second=settings.court_requests_per_second * _SHARE_OF_RATE,
        activity_task_poller_behavior=PollerBehaviorAutoscaling(minimum=2, maximum=court_slots, initial=5),
        **shared,
    )
    return processes, court_worker


class WorkerOptions(TypedDict):
    """The options that both workers have in common."""

    graceful_shutdown_timeout: timedelta
    interceptors: Sequence[Interceptor]
    deployment_config: WorkerDeploymentConfig


@dataclass(frozen=True, slots=True)
class _Adapters:
    """What the activities of both queues use."""

    catalog: Catalog
    store: ObjectStore
    signer: LinkSigner
    sender: WebhookSender
    runs: RunClient
    monitor_client: MonitorClient
    tokens: CourtTokens
    access: CourtCircuitBreaker
    pace: CourtRateLimiter
    store_circuit: StoreCircuitBreaker
    metrics: WorkerMetrics


async def _open_adapters(client: Client, settings: Settings, stack: AsyncExitStack) -> _Adapters:
    if settings.webhook_secret is None:
        raise ConfigurationError(
            "AUTOS_WEBHOOK_SECRET is not set. Set it to whsec_ followed by the base64 of 32 random bytes."
        )
    encryptor = Encryptor(settings.secret_keys) if settings.secret_keys else None
    catalog = Catalog(Database(settings.effective_database_url), encryptor)
    stack.push_async_callback(catalog.close)
    store = await ObjectStore.open(
        stack, settings.storage_address, connections=settings.court_concurrency * _COURT_SLOTS_PER_REQUEST
    )
    address_guard = AddressGuard(settings.webhook_policy, has_keys=catalog.clients.has_keys)
    stack.callback(address_guard.close)
    sender = WebhookSender(
        settings.webhook_secret.get_secret_value(),
        address_guard,
        proxy_url=settings.webhook_proxy_url.get_secret_value() if settings.webhook_proxy_url else None,
    )
    stack.push_async_callback(sender.close)
    tokens = create_court_tokens(catalog, settings)
    return _Adapters(
        catalog,
        store,
        await LinkSigner.open(settings.public_storage_address, settings.link_ttl, store),
        sender,
        RunClient(client),
        MonitorClient(client),
        tokens,
        CourtCircuitBreaker(catalog.court_state, tokens),
        CourtRateLimiter(
            catalog.court_rate_limit,
            settings.court_requests_per_second,
            partial(read_queue_rate_limit, client, COURT_QUEUE),
        ),
        StoreCircuitBreaker(catalog.store_circuit, store),
        WorkerMetrics(_meter_of(client)),
    )


def _meter_of(client: Client) -> MetricMeter:
    runtime = client.service_client.config.runtime
    return runtime.metric_meter if runtime else MetricMeter.noop


def _build_process_activities(adapters: _Adapters, settings: Settings) -> Sequence[Callable[..., Any]]:
    """Return the activities of the queue ``processes``, except those of the court monitor."""
    catalog = CatalogActivities(adapters.catalog, adapters.metrics)
    runs = RunActivities(adapters.catalog, adapters.runs)
    batches = BatchActivities(adapters.catalog, adapters.runs, settings.listing_max_age)
    store = StorageActivities(adapters.store, adapters.store_circuit)
    webhooks = WebhookActivities(
        *(adapters.catalog, adapters.signer, adapters.sender),
        public_url=settings.effective_public_url,
        metrics=adapters.metrics,
    )
    alerts = AlertActivities(
        adapters.catalog.alerts,
        adapters.store_circuit,
        url=settings.alert_url,
        court_patience=settings.alert_court_patience,
    )
    return [
        catalog.open_run,
        catalog.check_completeness,
        catalog.next_pending,
        catalog.give_up_document,
        catalog.retry_failed_documents,
        catalog.close_run,
        runs.close_killed_runs,
        batches.unended_batches,
        batches.undecided_items,
        batches.consider_item,
        batches.decide_item,
        batches.join_run,
        batches.look_at_run,
        batches.close_killed_run,
        batches.end_batch,
        store.sweep_uploads,
        store.read_store_state,
        webhooks.send_webhook,
        webhooks.overdue_deliveries,
        alerts.review_alerts,
    ]


async def _build_monitor(adapters: _Adapters, settings: Settings, stack: AsyncExitStack) -> CourtMonitorActivities:
    # Probes go out while the circuit breaker is open, so this client is not behind it.
    prober = await open_court(
        stack, settings, adapters.tokens, adapters.pace, concurrency=1, metrics=adapters.metrics
    )
    token_refresh = TokenRefreshClient(
        settings.court_realm, client_id=settings.court_client_id, rate_limiter=adapters.pace
    )
    stack.push_async_callback(token_refresh.close)
    candidate = CandidateToken()
    trier = await open_court(stack, settings, candidate, adapters.pace, concurrency=1, metrics=adapters.metrics)
    trial = CredentialsTrial(adapters.catalog.candidate_credentials, candidate, trier, prober, token_refresh)
    return CourtMonitorActivities(
        *(adapters.catalog.court_state, adapters.tokens, prober, token_refresh, adapters.monitor_client, trial)
    )


async def _build_court_activities(
    adapters: _Adapters, settings: Settings, stack: AsyncExitStack
) -> CourtActivities:
    court = await open_court(
        *(stack, settings, adapters.access, adapters.pace),
        concurrency=settings.court_concurrency,
        metrics=adapters.metrics,
    )
    return CourtActivities(
        *(court, adapters.access, adapters.catalog, adapters.store, adapters.store_circuit, choose_media_type),
        detect_media_type=detect_media_type,
        inspect_pdf=PdfInspector().inspect,
        max_document_bytes=settings.max_document_bytes,
        metrics=adapters.metrics,
    )


def create_court_tokens(catalog: Catalog, settings: Settings) -> CourtTokens:
    """Return the source of the court's tokens for these settings."""
    return CourtTokens(
        catalog.court_state,
        configured=settings.court_token.get_secret_value() if settings.court_token else None,
        file=settings.court_token_file,
    )


async def open_court(
    stack: AsyncExitStack,
    settings: Settings,
    tokens: CourtTokens | CourtCircuitBreaker | CandidateToken,
    pace: CourtRateLimiter,
    *,
    concurrency: int,
    metrics: WorkerMetrics = NO_METRICS,
) -> PdpjClient:
    """Open a client of the court for these settings. It is closed with the stack.

    Raises:
        ConfigurationError: A header of AUTOS_COURT_HEADERS cannot be sent.
    """
    court = PdpjClient(
        settings.court_origin,
        tokens=tokens,
        rate_limiter=pace,
        concurrency=concurrency,
        user_agent=settings.court_user_agent,
        headers=settings.court_headers,
        allowed_hosts=settings.court_allowed_hosts,
        storage_hosts=settings.court_storage_hosts,
        stall_seconds=settings.court_stall_seconds,
        max_listing_bytes=settings.max_listing_bytes,
        observe=metrics.count_court_request,
    )
    stack.push_async_callback(court.close)
    return court
