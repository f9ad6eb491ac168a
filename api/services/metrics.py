"""Prometheus metrics of an API instance: amounts only, no process numbers and no names."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from math import nan
from typing import TYPE_CHECKING, TypeAlias

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.exposition import generate_latest
from starlette.types import Scope

from api.middleware.methods import KNOWN_METHODS
from api.services.worker_presence import QUEUES
from domain.alerts import AlertKind
from domain.audit import FindingKind
from domain.completeness import Phase
from domain.errors import DependencyUnavailable

if TYPE_CHECKING:
    from adapters.database import Catalog
    from adapters.temporal.deployment_load import DeploymentLoad
    from domain.audit_messages import AuditRecord

    # Raises DependencyUnavailable if Temporal does not answer.
    ReadLoad: TypeAlias = Callable[[], Awaitable[DeploymentLoad]]

# The longest are requests that wait for a change, at most 30 seconds.
_BUCKETS_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_OTHER = "other"
# What the court states a secrecy level for, as the catalog counts it.
_SECRECY_SUBJECTS = ("processes", "instances", "documents", "movements")


class Metrics:
    """The metrics of one application, in a registry of its own.

    Attributes:
        registry: Every metric.
    """

    content_type = CONTENT_TYPE_LATEST

    def __init__(self) -> None:
        registry = CollectorRegistry()
        self.registry = registry
        self._requests = Counter(
            "autos_http_requests",
            "Requests answered, by route template.",
            ["route", "method", "status"],
            registry=registry,
        )
        self._seconds = Histogram(
            "autos_http_response_seconds",
            "Time from a request's arrival to the start of its answer.",
            ["route", "method"],
            buckets=_BUCKETS_SECONDS,
            registry=registry,
        )
        self._streams = Gauge("autos_event_streams", "Open event streams.", registry=registry)
        self._database = Gauge(
            "autos_database_answering", "Whether the catalog's database answers: 1 or 0.", registry=registry
        )
        self._transactions = Counter(
            "autos_database_transactions", "Transactions begun by this API instance.", registry=registry
        )
        self._counted_transactions = 0
        self._court = Gauge(
            "autos_court_answering", "Whether the court answered when it was last asked: 1 or 0.", registry=registry
        )
        self._token_seconds = Gauge(
            "autos_court_token_seconds_left",
            "Seconds until the court's token expires. NaN if there is none or it does not say.",
            registry=registry,
        )
        self._store = Gauge(
            "autos_store_answering", "Whether the store took the last write: 1 or 0.", registry=registry
        )
        self._batches = Gauge("autos_batches_open", "Batches that have not ended.", registry=registry)
        self._alerts = Gauge(
            "autos_alerts", "Alerts that are raised and not cleared, by kind.", ["kind"], registry=registry
        )
        self._workers = Gauge(
            "autos_workers_polling",
            "Workers that serve a task queue, as Temporal sees it. NaN if it does not say.",
            ["queue"],
            registry=registry,
        )
        self._open_runs = Gauge(
            "autos_runs_open", "Open runs by phase. NaN if Temporal does not say.", ["phase"], registry=registry
        )
        self._backlog = Gauge(
            "autos_task_queue_backlog",
            "Tasks of a queue that no worker has taken yet, as Temporal estimates. NaN if it does not say.",
            ["queue"],
            registry=registry,
        )
        self._backlog_age = Gauge(
            "autos_task_queue_backlog_age_seconds",
            "How long the oldest such task has waited. NaN if Temporal does not say.",
            ["queue"],
            registry=registry,
        )
        self._unrecognized = Gauge(
            "autos_unrecognized_secrecy_levels",
            "Processes, instances, documents and movements that are withheld because the court states a secrecy "
            "level that this service does not know.",
            ["of"],
            registry=registry,
        )
        self._add_housekeeping(registry)
        ProcessCollector(namespace="autos_api", registry=registry)

    def _add_housekeeping(self, registry: CollectorRegistry) -> None:
        """Add what audits and erasures tell."""
        self._erasure_age = Gauge(
            "autos_erasure_age_seconds",
            "How long ago the oldest erasure was requested that is not complete. 0 if there is none.",
            registry=registry,
        )
        self._audit_findings = Gauge(
            "autos_audit_findings",
            "What the last audit of the bucket found and did not repair, by kind. NaN if there was none.",
            ["kind"],
            registry=registry,
        )
        self._audit_age = Gauge(
            "autos_audit_age_seconds",
            "How long ago the last audit of the bucket began. NaN if there was none.",
            registry=registry,
        )

    def track_stream(self) -> AbstractContextManager[object]:
        """Count one more open event stream for as long as the block lasts."""
        return self._streams.track_inprogress()

    def count_request(self, scope: Scope, status: int, seconds: float) -> None:
        """Count a request.

        Args:
            scope: The request's scope, after routing.
            status: Status of the answer.
            seconds: Time until the answer started.
        """
        # A request without a route has no template, and its path may be anything.
        route = getattr(scope.get("route"), "path", _OTHER)
        method = scope["method"] if scope["method"] in KNOWN_METHODS else _OTHER
        self._requests.labels(route, method, str(status)).inc()
        self._seconds.labels(route, method).observe(seconds)

    async def render(self, catalog: Catalog, workers: Mapping[str, int | None], read_load: ReadLoad) -> bytes:
        """Return all metrics in Prometheus's text format. NaN stands for what is not known now.

        Args:
            catalog: Tells the state of the deployment.
            workers: The number of workers of each task queue. None if it is unknown.
            read_load: Asks Temporal for the load.
        """
        for queue, count in workers.items():
            self._workers.labels(queue).set(nan if count is None else count)
        await asyncio.gather(self._read_catalog(catalog), self._read_load(read_load))
        self._transactions.inc(catalog.transactions - self._counted_transactions)
        self._counted_transactions = catalog.transactions
        return generate_latest(self.registry)

    async def _read_load(self, read_load: ReadLoad) -> None:
        try:
            load = await read_load()
        except DependencyUnavailable:
            load = None
        for queue in QUEUES:
            backlog = load.backlogs[queue] if load else None
            self._backlog.labels(queue).set(backlog.tasks if backlog else nan)
            self._backlog_age.labels(queue).set(backlog.age_seconds if backlog else nan)
        for phase in Phase:
            self._open_runs.labels(phase).set(load.open_runs[phase] if load else nan)

    async def _read_catalog(self, catalog: Catalog) -> None:
        try:
            state, token = await catalog.court_state.read_state_and_token()
            store = await catalog.store_circuit.read()
            batches = await catalog.batches.count_open()
            erasing_since = await catalog.erasures.find_oldest_running()
            alerts = await catalog.alerts.count_open()
            unrecognized = await catalog.lists.count_unrecognized_levels()
            audit = await catalog.audits.last()
        except DependencyUnavailable:
            self._database.set(0)
            for gauge in (self._court, self._token_seconds, self._store):
                gauge.set(nan)
            self._batches.set(nan)
            self._erasure_age.set(nan)
            for kind in AlertKind:
                self._alerts.labels(kind).set(nan)
            for subject in _SECRECY_SUBJECTS:
                self._unrecognized.labels(subject).set(nan)
            self._show_audit(None)
        else:
            self._database.set(1)
            self._court.set(state.failure_code is None)
            expires_at = token.expires_at
            self._token_seconds.set((expires_at - datetime.now(UTC)).total_seconds() if expires_at else nan)
            self._store.set(store.reason is None)
            self._batches.set(batches)
            age = datetime.now(UTC) - erasing_since if erasing_since else None
            self._erasure_age.set(0 if age is None else age.total_seconds())
            for kind, count in alerts.items():
                self._alerts.labels(kind).set(count)
            for subject in _SECRECY_SUBJECTS:
                self._unrecognized.labels(subject).set(unrecognized[subject])
            self._show_audit(audit)

    def _show_audit(self, audit: AuditRecord | None) -> None:
        for kind in FindingKind:
            self._audit_findings.labels(kind).set(audit.remaining.get(kind, 0) if audit else nan)
        age = datetime.now(UTC) - audit.started_at if audit else None
        self._audit_age.set(nan if age is None else age.total_seconds())
