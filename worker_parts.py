"""Wire adapters into the activities of the workers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

from temporalio.client import Client
from temporalio.common import MetricMeter

from activities.alerts import AlertActivities
from activities.audit import AuditActivities, AuditRules
from activities.batches import BatchActivities
from activities.bundle_pieces import PieceSource
from activities.bundle_sweep import BundleSweepActivities
from activities.bundles import BundleActivities, BundleCatalogActivities
from activities.catalog import CatalogActivities
from activities.court import CourtActivities
from activities.court_circuit import CourtCircuitBreaker
from activities.court_monitor import CourtMonitorActivities
from activities.court_rate_limiter import CourtRateLimiter
from activities.court_tokens import CandidateToken, CourtTokens
from activities.credentials_trial import CredentialsTrial
from activities.erasure import ErasureActivities
from activities.history import HistoryActivities
from activities.killed_builds import KilledBuildActivities
from activities.killed_runs import RunActivities
from activities.metrics import NO_METRICS, WorkerMetrics
from activities.storage import StorageActivities
from activities.store_audit import StoreAuditor
from activities.store_circuit import StoreCircuitBreaker
from activities.watches import WatchActivities
from activities.webhooks import WebhookActivities
from adapters.bundles.conversion import convert
from adapters.bundles.pdf import build_pdf
from adapters.bundles.zip_archive import ZipBundle
from adapters.content.media_types import choose_media_type, detect_media_type
from adapters.content.pdf_inspection import PdfInspector
from adapters.court_pdpj import PdpjClient, TokenRefreshClient
from adapters.database import Catalog, Database
from adapters.scratch import ScratchDisk
from adapters.security.encryption import Encryptor
from adapters.storage import ObjectStore
from adapters.storage.bucket_listing import BucketListing
from adapters.storage.bundle_store import BundleStore
from adapters.storage.link_issuer import LinkIssuer
from adapters.storage.presigned_urls import LinkSigner
from adapters.temporal.bundle_client import BundleClient
from adapters.temporal.connection import read_queue_rate_limit
from adapters.temporal.erasure_client import ErasureClient
from adapters.temporal.monitor_client import MonitorClient
from adapters.temporal.run_client import RunClient
from adapters.webhooks import AddressGuard, WebhookSender
from domain.errors import ConfigurationError
from domain.spans import NO_TRACES, Tracer
from domain.watches import looks_per_sweep
from settings import Settings
from workflows.options import COURT_QUEUE

# A finished download frees its slot only after Temporal has recorded it, so there are more slots than concurrent
# requests to the court. More than twice as many would only wait in this worker, where Temporal's priorities do not
# apply any more.
COURT_SLOTS_PER_REQUEST = 2


@dataclass(frozen=True, slots=True)
class Adapters:
    """What the activities of all queues use."""

    catalog: Catalog
    store: ObjectStore
    bucket: BucketListing
    links: LinkIssuer
    sender: WebhookSender
    runs: RunClient
    builds: BundleClient
    erasure_client: ErasureClient
    monitor_client: MonitorClient
    tokens: CourtTokens
    access: CourtCircuitBreaker
    pace: CourtRateLimiter
    store_circuit: StoreCircuitBreaker
    metrics: WorkerMetrics
    tracer: Tracer


async def open_adapters(
    client: Client, settings: Settings, stack: AsyncExitStack, tracer: Tracer = NO_TRACES
) -> Adapters:
    if settings.webhook_secret is None:
        raise ConfigurationError(
            "AUTOS_WEBHOOK_SECRET is not set. Set it to whsec_ followed by the base64 of 32 random bytes."
        )
    encryptor = Encryptor(settings.secret_keys) if settings.secret_keys else None
    catalog = Catalog(Database(settings.effective_database_url), encryptor)
    catalog.accesses.is_kept = settings.access_trail
    catalog.listings.are_parties_stored = settings.store_parties
    stack.push_async_callback(catalog.close)
    store = await ObjectStore.open(
        stack,
        settings.storage_address,
        connections=settings.court_concurrency * COURT_SLOTS_PER_REQUEST,
        tracer=tracer,
    )
    address_guard = AddressGuard(settings.webhook_policy, has_keys=catalog.clients.has_keys)
    stack.callback(address_guard.close)
    sender = WebhookSender(
        settings.webhook_secret.get_secret_value(),
        address_guard,
        proxy_url=settings.webhook_proxy_url.get_secret_value() if settings.webhook_proxy_url else None,
        tracer=tracer,
    )
    stack.push_async_callback(sender.close)
    tokens = create_court_tokens(catalog, settings)
    pace = CourtRateLimiter(
        catalog.court_rate_limit,
        settings.court_requests_per_second,
        partial(read_queue_rate_limit, client, COURT_QUEUE),
    )
    stack.push_async_callback(pace.close)
    return Adapters(
        catalog,
        store,
        await BucketListing.open(stack, settings.storage_address),
        LinkIssuer(
            await LinkSigner.open(settings.public_storage_address, settings.link_ttl, store, tracer),
            catalog.accesses.record,
        ),
        sender,
        RunClient(client),
        BundleClient(client),
        ErasureClient(client),
        MonitorClient(client),
        tokens,
        CourtCircuitBreaker(catalog.court_state, tokens),
        pace,
        StoreCircuitBreaker(catalog.store_circuit, store),
        WorkerMetrics(_meter_of(client)),
        tracer,
    )


def _meter_of(client: Client) -> MetricMeter:
    runtime = client.service_client.config.runtime
    return runtime.metric_meter if runtime else MetricMeter.noop


def build_process_activities(adapters: Adapters, settings: Settings) -> Sequence[Callable[..., Any]]:
    """Return the activities of the queue ``processes``, except those of the court monitor."""
    catalog = CatalogActivities(adapters.catalog, adapters.metrics)
    runs = RunActivities(adapters.catalog, adapters.runs)
    killed_builds = KilledBuildActivities(adapters.catalog, adapters.builds, adapters.metrics)
    bundles = BundleCatalogActivities(adapters.catalog, adapters.metrics)
    batches = BatchActivities(adapters.catalog, adapters.runs, settings.listing_max_age)
    store = StorageActivities(adapters.store, adapters.store_circuit)
    webhooks = WebhookActivities(
        *(adapters.catalog, adapters.links, adapters.sender),
        public_url=settings.effective_public_url,
        metrics=adapters.metrics,
    )
    history = HistoryActivities(adapters.catalog.history, settings.history_retention, metrics=adapters.metrics)
    alerts = AlertActivities(
        adapters.catalog.alerts,
        adapters.store_circuit,
        url=settings.alert_url,
        court_patience=settings.alert_court_patience,
    )
    audit = AuditActivities(
        adapters.catalog.audits, StoreAuditor(adapters.catalog.audits, adapters.bucket), audit_rules(settings)
    )
    watches = WatchActivities(
        adapters.catalog,
        adapters.runs,
        most_looks=looks_per_sweep(settings.court_requests_per_second, settings.watch_share),
        metrics=adapters.metrics,
    )
    return [
        catalog.open_run,
        catalog.check_completeness,
        catalog.next_pending,
        catalog.give_up_document,
        catalog.retry_failed_documents,
        catalog.close_run,
        runs.close_killed_runs,
        killed_builds.close_killed_builds,
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
        history.prune_history,
        alerts.review_alerts,
        watches.start_looks,
        audit.plan_audit,
        audit.scan_part,
        audit.find_leftover_uploads,
        audit.repair_findings,
        audit.record_audit,
        *build_erasure_activities(adapters, settings),
        bundles.plan_bundle,
        bundles.fail_bundle,
        bundles.next_deliveries,
        BundleSweepActivities(
            *(adapters.catalog, adapters.store, adapters.bucket), retention=settings.bundle_retention
        ).sweep_bundles,
    ]


def build_erasure_activities(adapters: Adapters, settings: Settings) -> Sequence[Callable[..., Any]]:
    """Return the activities of erasures."""
    erasure = ErasureActivities(
        *(adapters.catalog, adapters.store, adapters.erasure_client, adapters.runs), retention=settings.retention
    )
    return [
        erasure.stop_run,
        erasure.erase_deliveries,
        erasure.erase_objects,
        erasure.erase_rows,
        erasure.erase_executions,
        erasure.complete_erasure,
        erasure.unfinished_erasures,
        erasure.expire_processes,
    ]


async def build_bundle_activities(
    adapters: Adapters, settings: Settings, stack: AsyncExitStack
) -> Sequence[Callable[..., Any]]:
    """Return the activities of the queue ``bundles``."""
    store = await BundleStore.open(stack, settings.storage_address)
    bundles = BundleActivities(
        *(adapters.catalog, adapters.store, store, PieceSource(adapters.store, store, convert)),
        *(adapters.store_circuit, ScratchDisk(settings.effective_scratch_dir)),
        build_pdf=build_pdf,
        build_zip=ZipBundle,
        metrics=adapters.metrics,
    )
    return [bundles.convert_lot, bundles.assemble_bundle]


def audit_rules(settings: Settings) -> AuditRules:
    """Return what the settings say about audits."""
    every = timedelta(days=settings.audit_days) if settings.audit_days else None
    return AuditRules(every, settings.audit_sample_bytes, settings.audit_repair)


async def build_monitor(adapters: Adapters, settings: Settings, stack: AsyncExitStack) -> CourtMonitorActivities:
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


async def build_court_activities(adapters: Adapters, settings: Settings, stack: AsyncExitStack) -> CourtActivities:
    court = await open_court(
        *(stack, settings, adapters.access, adapters.pace),
        concurrency=settings.court_concurrency,
        metrics=adapters.metrics,
        tracer=adapters.tracer,
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
    tracer: Tracer = NO_TRACES,
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
        tracer=tracer,
    )
    stack.push_async_callback(court.close)
    return court
