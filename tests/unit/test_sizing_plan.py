"""The arithmetic of docs/sizing.md: from two measured loads to the cost of a process and a document, and a plan."""

from __future__ import annotations

import pytest

from benchmarks.sizing import DEEP, DEFAULT_LOAD, WIDE
from benchmarks.sizing_plan import Load, plan, solve_costs

METERS = (
    *("worker_cpu", "api_cpu", "temporal_cpu", "postgres_cpu", "s3_cpu", "court_requests", "transactions"),
    *("rows_written", "wal_bytes", "disk_bytes", "events", "actions", "history_bytes"),
    "temporal_disk_bytes",
)


def test_two_loads_give_the_cost_of_a_process_and_of_a_document() -> None:
    # A process costs 7, a document 3; the second meter has noise that would be a cost below zero.
    wide = {"cpu": 200 * 7.0 + 400 * 3.0, "noise": 0.0}
    deep = {"cpu": 10 * 7.0 + 400 * 3.0, "noise": 10.0}

    costs = solve_costs(wide, deep, ((200, 400), (10, 400)))

    assert costs["cpu"] == pytest.approx((7, 3))
    assert costs["noise"][0] == 0


def test_the_loads_that_are_measured_can_be_told_apart() -> None:
    (wide, wide_documents), (deep, deep_documents) = WIDE, DEEP
    assert wide * wide_documents == deep * deep_documents
    assert wide != deep


def test_a_plan_adds_the_costs_of_processes_and_documents_at_the_peak() -> None:
    # 86.4 million documents a day are 1,000 a second, and 2,000 at the peak: of 10 to a process, 200 processes.
    load = Load(86.4e6, 10, 0.5, 100_000, 0.5, 2, 3)
    costs = dict.fromkeys(METERS, (0.01, 0.001))

    found = {line.what: line.value for line in plan(load, costs, read_cpu_seconds=4e-3)}

    assert found["documents, at the peak"] == 2_000
    # A document and a tenth of a process: 2 ms.
    assert found["CPU of the workers, at the peak"] == pytest.approx(4)
    assert found["workers"] == 7
    assert found["CPU of the APIs, at the peak"] == pytest.approx(4 + 2_000 * 0.5 * 4e-3)
    assert found["APIs"] == 14
    # 4 requests a second: half a second each.
    assert found["requests to the court under way, at the peak"] == pytest.approx(2)
    assert found["connections to Postgres, at most"] == (7 + 14 + 2) * 16 + 20
    # Half a request for each document, with links to ten.
    trail = found["Postgres: access trail, if every request is answered with links"]
    assert trail == pytest.approx(86.4e6 * 0.5 * (200 + 10 * 40) / 1e9)
    assert found["Temporal: histories kept for 3 days"] == pytest.approx(2e-3 * 86.4e6 * 3 / 1e9)
    assert found["network of the workers, in and out each, at the peak"] == pytest.approx(1.6)


def test_few_documents_need_two_workers_and_two_apis() -> None:
    lines = plan(DEFAULT_LOAD, dict.fromkeys(METERS, (0.0, 0.0)), read_cpu_seconds=0)
    counts = {line.what: line.value for line in lines if line.what in ("workers", "APIs")}
    assert counts == {"workers": 2, "APIs": 2}
