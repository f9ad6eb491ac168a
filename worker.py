"""Wire adapters into activities, and run the workers of all task queues in one service."""

from __future__ import annotations

import asyncio
import gc
import signal
from collections.abc import Sequence
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import TypedDict

import structlog
from temporalio.client import Client
from temporalio.common import WorkerDeploymentVersion
from temporalio.runtime import Runtime
from temporalio.worker import (
    Interceptor,
    PollerBehaviorAutoscaling,
    UnsandboxedWorkflowRunner,
    Worker,
    WorkerDeploymentConfig,
)

from activities.failure_lines import shorten_failure_lines
from activities.log_context import LogContextInterceptor
from activities.metrics import BUCKETS
from activities.reset_detection import ResetDetectionInterceptor
from activities.spans import trace_interceptors
from adapters.database.urls import engine_arguments
from adapters.memory import return_large_buffers
from adapters.security.encryption import PayloadEncryptor
from adapters.telemetry import open_tracer
from adapters.temporal.connection import connect_patiently
from adapters.temporal.metrics_exporter import open_metrics_runtime
from adapters.temporal.monitor_client import MonitorClient
from adapters.temporal.schedules import ensure_schedules
from domain.loopback import loopback_port
from domain.spans import NO_TRACES, Tracer
from domain.version import VERSION
from settings import Settings
from worker_parts import (
    COURT_SLOTS_PER_REQUEST,
    build_bundle_activities,
    build_court_activities,
    build_monitor,
    build_process_activities,
    open_adapters,
)
from workflows.audit_store import AuditStore
from workflows.build_bundle import BuildBundle
from workflows.deliver_webhook import DeliverWebhook
from workflows.download_batch import DownloadBatch
from workflows.download_process import DownloadProcess
from workflows.erase_process import EraseProcess
from workflows.monitor_court import MonitorCourt
from workflows.options import BUNDLES_QUEUE, COURT_QUEUE, HEARTBEAT_TIMEOUT, PROCESSES_QUEUE
from workflows.request_headers import RequestHeadersInterceptor
from workflows.review_alerts import ReviewAlerts
from workflows.sweep_batches import SweepBatches
from workflows.sweep_bundles import SweepBundles
from workflows.sweep_deliveries import SweepDeliveries
from workflows.sweep_erasures import SweepErasures
from workflows.sweep_history import SweepHistory
from workflows.sweep_uploads import SweepUploads
from workflows.sweep_watches import SweepWatches

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
    tracer = open_tracer(settings.otlp_url, settings.otlp_header_text, service="autos-worker")
    runtime = _serve_metrics(settings)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    client = await _connect_unless(stop, runtime, encryptor, tracer)
    if client is None:
        return
    async with AsyncExitStack() as stack:
        stack.push_async_callback(tracer.close)
        for worker in await build_workers(client, settings, stack, tracer):
            await stack.enter_async_context(worker)
        await MonitorClient(client).request_check(seconds=_PATIENCE_SECONDS)
        await ensure_schedules(client)
        # What is loaded by now is never garbage: exclude it from every later collection.
        gc.freeze()
        _log.info(
            "worker ready",
            queues=[PROCESSES_QUEUE, COURT_QUEUE, BUNDLES_QUEUE],
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
    stop: asyncio.Event, runtime: Runtime | None, encryptor: PayloadEncryptor | None, tracer: Tracer
) -> Client | None:
    connecting = asyncio.ensure_future(connect_patiently(_PATIENCE_SECONDS, runtime, encryptor, tracer))
    stopping = asyncio.ensure_future(stop.wait())
    await asyncio.wait({connecting, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if connecting.done():
        return connecting.result()
    connecting.cancel()
    return None


async def build_workers(
    client: Client, settings: Settings, stack: AsyncExitStack, tracer: Tracer = NO_TRACES
) -> tuple[Worker, ...]:
    """Return the workers of all task queues, not yet running. Closing the stack closes what they use.

    Raises:
        ConfigurationError: There is no webhook secret, or alerts may not go to their address.
    """
    adapters = await open_adapters(client, settings, stack, tracer)
    shared: WorkerOptions = {
        "graceful_shutdown_timeout": _GRACEFUL_SHUTDOWN,
        "interceptors": [
            # The outermost, so that the others' log lines have its context too.
            LogContextInterceptor(),
            *trace_interceptors(tracer),
            RequestHeadersInterceptor(),
            # One for all workers: what one has checked, the other need not check again.
            ResetDetectionInterceptor(adapters.catalog, adapters.runs),
        ],
        "deployment_config": WorkerDeploymentConfig(
            # Without a name the SDK would hash every loaded module at start.
            WorkerDeploymentVersion("autos", VERSION),
            use_worker_versioning=False,
        ),
    }
    monitor = await build_monitor(adapters, settings, stack)
    processes = Worker(
        client,
        task_queue=PROCESSES_QUEUE,
        workflows=[
            *(DownloadProcess, DownloadBatch, DeliverWebhook, MonitorCourt),
            *(SweepUploads, SweepDeliveries, SweepBatches, SweepHistory, ReviewAlerts, AuditStore),
            *(EraseProcess, SweepErasures, SweepWatches, SweepBundles),
        ],
        # The sandbox costs an eighth of a busy worker's time. The tests catch what it would: they replay every
        # recorded history inside it.
        workflow_runner=UnsandboxedWorkflowRunner(),
        activities=[
            *build_process_activities(adapters, settings),
            *(monitor.read_court_state, monitor.plan_court_check, monitor.wake_waiting_runs),
        ],
        # A receiver that never answers holds a slot for fifteen seconds.
        max_concurrent_activities=_PROCESSES_SLOTS,
        **shared,
    )
    court = await build_court_activities(adapters, settings, stack)
    court_slots = settings.court_concurrency * COURT_SLOTS_PER_REQUEST
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
    bundles = Worker(
        client,
        task_queue=BUNDLES_QUEUE,
        workflows=[BuildBundle],
        workflow_runner=UnsandboxedWorkflowRunner(),
        activities=await build_bundle_activities(adapters, settings, stack),
        # Each may use a core, and the scratch disk.
        max_concurrent_activities=settings.bundle_concurrency,
        max_heartbeat_throttle_interval=HEARTBEAT_TIMEOUT / 3,
        **shared,
    )
    return processes, court_worker, bundles


class WorkerOptions(TypedDict):
    """The options that all workers have in common."""

    graceful_shutdown_timeout: timedelta
    interceptors: Sequence[Interceptor]
    deployment_config: WorkerDeploymentConfig
