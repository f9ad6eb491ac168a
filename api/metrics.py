"""What Prometheus may know of an API process: amounts alone, no process numbers and no names."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager
from math import nan
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Query, Request
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.exposition import generate_latest
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.access import Reader
from api.answers import Answers
from api.parameters import NoQuery
from api.problems import documented_problems
from domain.alerts import AlertKind
from domain.errors import DependencyUnavailable

if TYPE_CHECKING:
    from adapters.database import Catalog

# The longest are those of requests that wait for a change, 30 seconds at most.
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_OTHER = "other"
# What the court states levels of secrecy for, as the catalog counts them.
_LEVELLED = ("processes", "instances", "documents")

router = APIRouter(tags=["operation"], responses=documented_problems())


class Metrics:
    """The measurements of one application, in a registry of its own."""

    def __init__(self) -> None:
        registry = CollectorRegistry()
        self._registry = registry
        self._requests = Counter(
            "autos_http_requests",
            "Requests answered, by the template of their route.",
            ["route", "method", "status"],
            registry=registry,
        )
        self._seconds = Histogram(
            "autos_http_response_seconds",
            "From a request's arrival to the beginning of its answer.",
            ["route", "method"],
            buckets=_SECONDS,
            registry=registry,
        )
        self._watchers = Gauge("autos_event_streams", "Streams of events that are open.", registry=registry)
        self._database = Gauge(
            "autos_database_answering", "Whether the catalog's database answers: 1 or 0.", registry=registry
        )
        self._transactions = Counter(
            "autos_database_transactions", "Transactions that this process has begun.", registry=registry
        )
        self._counted_transactions = 0
        self._court = Gauge(
            "autos_court_answering", "Whether the court was last found answering: 1 or 0.", registry=registry
        )
        self._batches = Gauge("autos_batches_open", "Batches that have not come to their end.", registry=registry)
        self._alerts = Gauge(
            "autos_alerts", "Alerts that are raised and not cleared, by kind.", ["kind"], registry=registry
        )
        self._unrecognized = Gauge(
            "autos_unrecognized_secrecy_levels",
            "Processes, instances and documents that are withheld because the court states a level of secrecy that "
            "is not known here.",
            ["of"],
            registry=registry,
        )
        ProcessCollector(namespace="autos_api", registry=registry)

    def watching(self) -> AbstractContextManager[object]:
        """Counts one more open stream of events for as long as the block lasts."""
        return self._watchers.track_inprogress()

    def answered(self, scope: Scope, status: int, seconds: float) -> None:
        """Count a request.

        Args:
            scope: the request's, after it was routed.
            status: of the answer.
            seconds: until the answer began.
        """
        # What no route has taken has no template; its path may be anything.
        route = getattr(scope.get("route"), "path", _OTHER)
        method = scope["method"] if scope["method"] in _METHODS else _OTHER
        self._requests.labels(route, method, str(status)).inc()
        self._seconds.labels(route, method).observe(seconds)

    async def text(self, catalog: Catalog) -> bytes:
        """Everything in Prometheus's text format. What the catalog does not tell now is NaN."""
        try:
            state = await catalog.court.state()
            batches = await catalog.overview.open_batches()
            alerts = await catalog.alerts.open_counts()
            unrecognized = await catalog.overview.unrecognized_levels()
        except DependencyUnavailable:
            self._database.set(0)
            self._court.set(nan)
            self._batches.set(nan)
            for kind in AlertKind:
                self._alerts.labels(kind).set(nan)
            for subject in _LEVELLED:
                self._unrecognized.labels(subject).set(nan)
        else:
            self._database.set(1)
            self._court.set(state.failure_code is None)
            self._batches.set(batches)
            for kind, count in alerts.items():
                self._alerts.labels(kind).set(count)
            for subject in _LEVELLED:
                self._unrecognized.labels(subject).set(unrecognized[subject])
        self._transactions.inc(catalog.transactions - self._counted_transactions)
        self._counted_transactions = catalog.transactions
        return generate_latest(self._registry)


class RequestMetrics:
    """Counts every request and measures how long its answer takes to begin; streams may go on for hours."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and count it when its answer begins."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        answered = False

        async def send_counted(message: Message) -> None:
            nonlocal answered
            if message["type"] == "http.response.start" and not answered:
                answered = True
                self._metrics.answered(scope, message["status"], time.perf_counter() - began)
            await send(message)

        try:
            await self._app(scope, receive, send_counted)
        except Exception:
            # The answer to a bug is written further out.
            if not answered:
                self._metrics.answered(scope, 500, time.perf_counter() - began)
            raise


@router.get(
    "/metrics",
    summary="Measurements for Prometheus",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
async def get_metrics(request: Request, client: Reader, query: Annotated[NoQuery, Query()]) -> Response:
    """Requests by route and status, and what the deployment is busy with, as Prometheus reads it.

    With API keys, Prometheus has to send one that has the scope `read`: behind a proxy on the same machine,
    everybody seems to ask from there.
    """
    answers: Answers = request.app.state.answers
    metrics: Metrics = request.app.state.metrics
    return Response(await metrics.text(answers.catalog), media_type=CONTENT_TYPE_LATEST)
