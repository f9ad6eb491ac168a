"""What the workers count: with the SDK's own meter, as Prometheus would read it."""

from __future__ import annotations

from collections import Counter

import pytest
from temporalio.runtime import MetricBuffer, Runtime, TelemetryConfig

from activities.metrics import DownloadOutcome, WorkerMetrics
from domain.completeness import Outcome
from domain.errors import FailureCode


class MeasuredWork:
    """Metrics, and what has been counted."""

    def __init__(self) -> None:
        self._buffer = MetricBuffer(10_000)
        runtime = Runtime(telemetry=TelemetryConfig(metrics=self._buffer, attach_service_name=False))
        self.metrics = WorkerMetrics(runtime.metric_meter)

    def read(self) -> dict[tuple[str, ...], float]:
        """Return the sum of each series, by its name and the values of its labels."""
        sums: Counter[tuple[str, ...]] = Counter()
        for update in self._buffer.retrieve_updates():
            labels = (f"{name}={value}" for name, value in sorted(update.attributes.items()))
            sums[(update.metric.name, *labels)] += update.value  # type: ignore[assignment]  # Floats too.
        return dict(sums)


@pytest.fixture
def work() -> MeasuredWork:
    return MeasuredWork()


def test_every_series_begins_at_zero(work: MeasuredWork) -> None:
    series = work.read()
    assert set(series.values()) == {0}
    assert ("autos_documents", "code=sealed", "outcome=failed") in series
    assert ("autos_documents", "code=court_unavailable", "outcome=interrupted") in series
    assert ("autos_webhook_attempts", "status=none") in series
    assert ("autos_runs_ended", "outcome=cancelled") in series
    assert ("autos_bundles", "code=none") in series
    assert ("autos_bundles", "code=scratch_full") in series


def test_documents_are_counted_by_outcome_and_code(work: MeasuredWork) -> None:
    work.metrics.count_document(1000)
    work.metrics.count_document(24)
    work.metrics.count_failed_document(FailureCode.SEALED, DownloadOutcome.FAILED)
    series = {name: value for name, value in work.read().items() if value}
    assert series == {
        ("autos_documents", "code=none", "outcome=available"): 2,
        ("autos_documents", "code=sealed", "outcome=failed"): 1,
        ("autos_document_bytes",): 1024,
    }


@pytest.mark.parametrize(
    ("status", "label"), [(200, "2xx"), (307, "3xx"), (429, "4xx"), (503, "5xx"), (None, "none"), (999, "other")]
)
def test_statuses_are_counted_by_class(work: MeasuredWork, status: int | None, label: str) -> None:
    work.metrics.count_court_request(status, 0.5)
    work.metrics.count_webhook_attempt(status)
    work.metrics.count_ended_run(Outcome.PARTIAL)
    series = {name: value for name, value in work.read().items() if value}
    assert series == {
        ("autos_court_requests", f"status={label}"): 1,
        ("autos_court_response",): 0.5,
        ("autos_webhook_attempts", f"status={label}"): 1,
        ("autos_runs_ended", "outcome=partial"): 1,
    }
