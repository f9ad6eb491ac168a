"""Arithmetic from measured costs to the size of a deployment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil

DAY_SECONDS = 86_400
# Of a core, a service is planned to use this share at the peak.
PLANNED_SHARE = 0.6
# `adapters.database.engine`: the pool, and as many connections again under load.
CONNECTIONS_PER_SERVICE = 16
# For `autos migrate`, `autos key`, backups and people.
SPARE_CONNECTIONS = 20
# `worker.py`: tasks are handed out a little slower than the court's rate.
SHARE_OF_RATE = 0.9
# A row of the access trail, and each document in it (docs/keeping.md).
TRAIL_ROW_BYTES, TRAIL_DOCUMENT_BYTES = 200, 40
_GB = 1e9


@dataclass(frozen=True, slots=True)
class Load:
    """What a deployment has to do.

    Attributes:
        documents_per_day: Documents that are downloaded.
        documents_per_process: Documents of one run.
        reads_per_document: Requests to the API for each document that is downloaded.
        document_bytes: Size of a document.
        court_seconds: How long the court takes for a request.
        peak: How many times as much as the average the busiest hour has.
        retention_days: How long Temporal keeps the histories of workflows that have ended.
    """

    documents_per_day: float
    documents_per_process: float
    reads_per_document: float
    document_bytes: float
    court_seconds: float
    peak: float
    retention_days: float


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a plan."""

    what: str
    value: float
    unit: str


def solve_costs(
    wide: Mapping[str, float], deep: Mapping[str, float], shapes: tuple[tuple[int, int], tuple[int, int]]
) -> dict[str, tuple[float, float]]:
    """Divide measured totals into a cost of each process and a cost of each document.

    Args:
        wide: Totals of a load with many processes of few documents.
        deep: Totals of a load with few processes of many documents.
        shapes: The number of processes and of all documents of both loads.

    Returns:
        For each meter, the cost of a process and that of a document. Noise below zero counts as zero.
    """
    (processes, documents), (other_processes, other_documents) = shapes
    determinant = processes * other_documents - other_processes * documents
    costs = {}
    for meter in wide:
        of_process = (wide[meter] * other_documents - deep[meter] * documents) / determinant
        of_document = (processes * deep[meter] - other_processes * wide[meter]) / determinant
        costs[meter] = (max(of_process, 0.0), max(of_document, 0.0))
    return costs


def plan(load: Load, costs: Mapping[str, tuple[float, float]], read_cpu_seconds: float) -> list[Line]:
    """Return what a load needs, if every cost grows in proportion.

    Args:
        load: What has to be done.
        costs: For each meter, the cost of a process and that of a document.
        read_cpu_seconds: CPU time of the API for one request.
    """

    def per_document(meter: str) -> float:
        of_process, of_document = costs[meter]
        return of_process / load.documents_per_process + of_document

    def cores(meter: str, more: float = 0.0) -> float:
        return (per_document(meter) + more) * peak_rate

    average = load.documents_per_day / DAY_SECONDS
    peak_rate = average * load.peak
    api_cores = cores("api_cpu", load.reads_per_document * read_cpu_seconds)
    # Two at least: one for the failure of the other.
    workers = max(2, ceil(cores("worker_cpu") / PLANNED_SHARE))
    apis = max(2, ceil(api_cores / PLANNED_SHARE))
    # While an update rolls, one of each is there twice.
    connections = (workers + apis + 2) * CONNECTIONS_PER_SERVICE + SPARE_CONNECTIONS
    daily = load.documents_per_day
    court_rate = per_document("court_requests") * peak_rate
    under_way = court_rate * load.court_seconds
    return [
        Line("documents, on average", average, "/s"),
        Line("documents, at the peak", peak_rate, "/s"),
        Line("requests to the court, at the peak", court_rate, "/s"),
        Line("AUTOS_COURT_REQUESTS_PER_SECOND, at least", ceil(court_rate / SHARE_OF_RATE), "/s"),
        Line("requests to the court under way, at the peak", under_way, ""),
        Line("CPU of the workers, at the peak", cores("worker_cpu"), "cores"),
        Line("workers", workers, "of one core"),
        Line("AUTOS_COURT_CONCURRENCY of each worker, at least", ceil(under_way / workers), ""),
        Line("CPU of the APIs, at the peak", api_cores, "cores"),
        Line("APIs", apis, "of one core"),
        Line("CPU of Temporal's server, at the peak", cores("temporal_cpu"), "cores"),
        Line("CPU of Postgres for the catalog, at the peak", cores("postgres_cpu"), "cores"),
        Line("CPU of the store (SeaweedFS), at the peak", cores("s3_cpu"), "cores"),
        Line("connections to Postgres, at most", connections, ""),
        Line("Postgres: transactions, at the peak", per_document("transactions") * peak_rate, "/s"),
        Line("Postgres: rows written, at the peak", per_document("rows_written") * peak_rate, "/s"),
        Line("Postgres: WAL", per_document("wal_bytes") * daily / _GB, "GB a day"),
        Line("Postgres: growth of the catalog", per_document("disk_bytes") * daily / _GB, "GB a day"),
        Line(
            "Postgres: access trail, if every request is answered with links",
            daily
            * load.reads_per_document
            * (TRAIL_ROW_BYTES + TRAIL_DOCUMENT_BYTES * load.documents_per_process)
            / _GB,
            "GB a day",
        ),
        Line("Temporal: actions, at the peak", per_document("actions") * peak_rate, "/s"),
        Line("Temporal: actions", per_document("actions") * daily / 1e6, "million a day"),
        Line("Temporal: events of histories, at the peak", per_document("events") * peak_rate, "/s"),
        Line(
            f"Temporal: histories kept for {load.retention_days:g} days",
            per_document("history_bytes") * daily * load.retention_days / _GB,
            "GB",
        ),
        Line(
            f"Temporal: growth of its database in {load.retention_days:g} days",
            per_document("temporal_disk_bytes") * daily * load.retention_days / _GB,
            "GB",
        ),
        Line("store: objects written, at the peak", peak_rate, "/s"),
        Line("store: growth", load.document_bytes * daily / _GB, "GB a day"),
        Line(
            "network of the workers, in and out each, at the peak",
            load.document_bytes * peak_rate * 8 / 1e9,
            "Gbit/s",
        ),
    ]
