"""Wires adapters into activities and runs the workers of both task queues in one process."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import signal
from contextlib import AsyncExitStack, suppress
from datetime import timedelta
from functools import partial
from importlib.metadata import version

import structlog
from temporalio.client import Client
from temporalio.common import WorkerDeploymentVersion
from temporalio.worker import (
    PollerBehaviorAutoscaling,
    UnsandboxedWorkflowRunner,
    Worker,
    WorkerDeploymentConfig,
)

from activities.alerts import AlertActivities
from activities.batches import BatchActivities
from activities.catalog import CatalogActivities
from activities.court import CourtActivities
from activities.court_access import CandidateToken, CourtAccess, CourtTokens
from activities.court_pace import CourtPace
from activities.court_watch import CourtWatchActivities
from activities.credentials_trial import CredentialsTrial
from activities.reset_runs import ReopenResetRuns
from activities.runs import RunActivities
from activities.storage import StorageActivities
from activities.store_gate import StoreGate
from activities.webhooks import WebhookActivities
from adapters.court_pdpj import PdpjCourt, SignIn
from adapters.court_watch import CourtWatch
from adapters.database import Catalog, Database
from adapters.database.urls import engine_arguments
from adapters.media_types import file_kind, media_type_of
from adapters.open_runs import OpenRuns
from adapters.pdf_inspection import PdfInspector
from adapters.schedules import ensure_alert_review, ensure_batch_sweep, ensure_delivery_sweep, ensure_sweep
from adapters.sealing import Seal
from adapters.storage import ObjectStore
from adapters.storage.presigned_urls import LinkSigner
from adapters.temporal import connect_patiently, read_queue_rate_limit
from adapters.webhooks import Destinations, WebhookSender
from domain.errors import ConfigurationError
from settings import Settings
from workflows.deliver_webhook import DeliverWebhook
from workflows.download_batch import DownloadBatch
from workflows.download_process import DownloadProcess
from workflows.options import COURT_QUEUE, HEARTBEAT_TIMEOUT, PROCESSES_QUEUE
from workflows.review_alerts import ReviewAlerts
from workflows.sweep_batches import SweepBatches
from workflows.sweep_deliveries import SweepDeliveries
from workflows.sweep_uploads import SweepUploads
from workflows.watch_court import WatchCourt

# A finished download's place becomes free only when Temporal has heard of it, so there are more places than
# requests that the court is asked at once. More than twice as many would only queue for the court here, where those
# that are to be served first no longer are.
_COURT_SLOTS_PER_REQUEST = 2
# Every request waits for the pace (`activities/court_pace.py`), which is a little slower than the rate. Temporal's
# own limit is slower still, so that tasks wait there, in the order of their priority, and not here.
_SHARE_OF_RATE = 0.9
_PROCESSES_SLOTS = 500
_GRACEFUL_SHUTDOWN = timedelta(seconds=8)
_PATIENCE_SECONDS = 30.0
# From glibc's malloc.h.
_M_MMAP_THRESHOLD = -3

_log = structlog.get_logger()


async def run(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT; then take nothing new, and let what is under way end for a few seconds.

    Raises:
        DependencyUnavailable: Temporal did not come up.
        ConfigurationError: a setting cannot be used, or one that only workers need is missing.
    """
    _return_large_buffers()
    # What waiting does not mend is said before anything is waited for.
    engine_arguments(settings.effective_database_url)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    client = await _connect_unless(stop)
    if client is None:
        return
    async with AsyncExitStack() as stack:
        for worker in await build_workers(client, settings, stack):
            await stack.enter_async_context(worker)
        await CourtWatch(client, task_queue=PROCESSES_QUEUE).look()
        await ensure_sweep(client, task_queue=PROCESSES_QUEUE)
        await ensure_delivery_sweep(client, task_queue=PROCESSES_QUEUE)
        await ensure_batch_sweep(client, task_queue=PROCESSES_QUEUE)
        await ensure_alert_review(client, task_queue=PROCESSES_QUEUE)
        # What is loaded by now is never garbage: no collection needs to look at it again.
        gc.freeze()
        _log.info("worker ready", queues=[PROCESSES_QUEUE, COURT_QUEUE])
        await stop.wait()
        _log.info("worker stopping")


def _return_large_buffers() -> None:
    """Have the C library return every buffer above a mebibyte to the system as soon as it is freed.

    By default glibc keeps freed buffers of up to 32 MiB. After a few listings of the largest permitted size, a
    worker would hold twice the memory that one of them needs. Other C libraries have no such setting.
    """
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, 1024**2)


async def _connect_unless(stop: asyncio.Event) -> Client | None:
    connecting = asyncio.ensure_future(connect_patiently(_PATIENCE_SECONDS))
    stopping = asyncio.ensure_future(stop.wait())
    await asyncio.wait({connecting, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if connecting.done():
        return connecting.result()
    connecting.cancel()
    return None


async def build_workers(client: Client, settings: Settings, stack: AsyncExitStack) -> tuple[Worker, Worker]:
    """The two workers, not yet running; what they stand on is closed with the stack.

    Raises:
        ConfigurationError: there is no webhook secret, or alerts may not go where they should.
    """
    if settings.webhook_secret is None:
        raise ConfigurationError(
            "AUTOS_WEBHOOK_SECRET is not set. Set it to whsec_ followed by the base64 of 32 random bytes."
        )
    slots = settings.court_concurrency * _COURT_SLOTS_PER_REQUEST
    seal = Seal(settings.secret_keys) if settings.secret_keys else None
    catalog = Catalog(Database(settings.effective_database_url), seal)
    stack.push_async_callback(catalog.close)
    store = await ObjectStore.open(stack, settings.storage_address, connections=slots)
    signer = await LinkSigner.open(settings.public_storage_address, settings.link_ttl, store)
    tokens = CourtTokens(
        catalog.court,
        configured=settings.court_token.get_secret_value() if settings.court_token else None,
        file=settings.court_token_file,
    )
    access = CourtAccess(catalog.court, tokens)
    pace = CourtPace(
        catalog.court_pace, settings.court_requests_per_second, partial(read_queue_rate_limit, client, COURT_QUEUE)
    )
    court = await _open_court(stack, settings, access, pace, concurrency=settings.court_concurrency)
    prober = await _open_court(stack, settings, tokens, pace, concurrency=1)
    sign_in = SignIn(settings.court_realm, client_id=settings.court_client_id, pace=pace)
    stack.push_async_callback(sign_in.close)
    destinations = Destinations(settings.webhook_policy, any_keys=catalog.clients.any_keys)
    stack.callback(destinations.close)
    sender = WebhookSender(
        settings.webhook_secret.get_secret_value(),
        destinations,
        proxy_url=settings.webhook_proxy_url.get_secret_value() if settings.webhook_proxy_url else None,
    )
    stack.push_async_callback(sender.close)

    on_catalog = CatalogActivities(catalog)
    open_runs = OpenRuns(client)
    on_runs = RunActivities(catalog, open_runs)
    on_batches = BatchActivities(catalog, open_runs, settings.listing_max_age)
    store_gate = StoreGate(catalog.store_circuit, store)
    on_store = StorageActivities(store, store_gate)
    on_webhooks = WebhookActivities(catalog, signer, sender, public_url=settings.effective_public_url)
    on_alerts = AlertActivities(
        catalog.alerts, store_gate, url=settings.alert_url, court_patience=settings.alert_court_patience
    )
    on_court = CourtActivities(
        *(court, access, catalog, store, store_gate, media_type_of),
        file_kind=file_kind,
        inspect_pdf=PdfInspector().inspect,
        max_document_bytes=settings.max_document_bytes,
    )
    watch = CourtWatch(client, task_queue=PROCESSES_QUEUE)
    candidate = CandidateToken()
    trier = await _open_court(stack, settings, candidate, pace, concurrency=1)
    trial = CredentialsTrial(catalog.court_candidate, candidate, trier, prober, sign_in)
    on_watch = CourtWatchActivities(catalog.court, tokens, prober, sign_in, watch, trial)
    # One for both workers: what one has seen, the other need not ask again.
    interceptors = [ReopenResetRuns(catalog, open_runs)]
    deployment = WorkerDeploymentConfig(
        # Named, or the SDK hashes every loaded module at start.
        WorkerDeploymentVersion("autos", version("autos")),
        use_worker_versioning=False,
    )
    processes = Worker(
        client,
        task_queue=PROCESSES_QUEUE,
        workflows=[
            *(DownloadProcess, DownloadBatch, DeliverWebhook, WatchCourt),
            *(SweepUploads, SweepDeliveries, SweepBatches, ReviewAlerts),
        ],
        # The sandbox costs an eighth of a busy worker's time. What it would catch is caught by the tests, which
        # replay every recorded history inside it.
        workflow_runner=UnsandboxedWorkflowRunner(),
        activities=[
            on_catalog.open_run,
            on_catalog.check_completeness,
            on_catalog.next_pending,
            on_catalog.give_up_document,
            on_catalog.retry_failed_documents,
            on_catalog.close_run,
            on_runs.close_killed_runs,
            on_batches.unended_batches,
            on_batches.undecided_items,
            on_batches.consider_item,
            on_batches.decide_item,
            on_batches.join_run,
            on_batches.look_at_run,
            on_batches.close_killed_run,
            on_batches.end_batch,
            on_store.sweep_uploads,
            on_store.consult_store,
            on_watch.consult_court,
            on_watch.examine_court,
            on_watch.wake_waiting_runs,
            on_webhooks.send_webhook,
            on_webhooks.overdue_deliveries,
            on_alerts.review_alerts,
        ],
        # A receiver that never answers holds one for fifteen seconds.
        max_concurrent_activities=_PROCESSES_SLOTS,
        graceful_shutdown_timeout=_GRACEFUL_SHUTDOWN,
        interceptors=interceptors,
        deployment_config=deployment,
    )
    court_worker = Worker(
        client,
        task_queue=COURT_QUEUE,
        activities=[
            on_court.list_documents,
            on_court.download_document,
            on_watch.probe_court,
            on_watch.try_credentials,
            on_watch.renew_credentials,
        ],
        max_concurrent_activities=slots,
        max_heartbeat_throttle_interval=HEARTBEAT_TIMEOUT / 3,
        max_task_queue_activities_per_second=settings.court_requests_per_second * _SHARE_OF_RATE,
        activity_task_poller_behavior=PollerBehaviorAutoscaling(minimum=2, maximum=slots, initial=5),
        graceful_shutdown_timeout=_GRACEFUL_SHUTDOWN,
        interceptors=interceptors,
        deployment_config=deployment,
    )
    return processes, court_worker


async def _open_court(
    stack: AsyncExitStack,
    settings: Settings,
    tokens: CourtTokens | CourtAccess | CandidateToken,
    pace: CourtPace,
    *,
    concurrency: int,
) -> PdpjCourt:
    court = PdpjCourt(
        settings.court_origin,
        tokens=tokens,
        pace=pace,
        concurrency=concurrency,
        user_agent=settings.court_user_agent,
        headers=settings.court_headers,
        allowed_hosts=settings.court_allowed_hosts,
        storage_hosts=settings.court_storage_hosts,
        stall_seconds=settings.court_stall_seconds,
        max_listing_bytes=settings.max_listing_bytes,
    )
    stack.push_async_callback(court.close)
    return court
