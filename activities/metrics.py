"""What the workers count of their own work. The deployment's state is measured in api/services/metrics.py.

Recorded in activities, never in workflows, whose replay would count again. All labels are closed sets: no process
number, no client and no address.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from temporalio.common import MetricMeter

from domain.completeness import Outcome
from domain.errors import BundleFailureCode, FailureCode, FailureScope
from domain.history import HistoryKind

# The names of the series in Prometheus. The SDK appends the unit and `_total` to what it is given.
SERIES = (
    "autos_documents_total",
    "autos_document_bytes_total",
    "autos_court_requests_total",
    "autos_court_response_seconds",
    "autos_runs_ended_total",
    "autos_webhook_attempts_total",
    "autos_pruned_rows_total",
    "autos_looks_started_total",
    "autos_bundles_total",
)
# Upper bounds in seconds. The client gives up when an answer has not begun after 75.
BUCKETS: Mapping[str, tuple[float, ...]] = {
    "autos_court_response": (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 75.0)
}
_NO_CODE = "none"
_NO_ANSWER = "none"
_BUNDLE_CODES = (_NO_CODE, *(code.value for code in BundleFailureCode))
_STATUS_CLASSES = (*(f"{hundreds}xx" for hundreds in range(1, 6)), "other", _NO_ANSWER)


class DownloadOutcome(StrEnum):
    """What an attempt to download a document led to.

    RETRIED: It failed, and there will be another attempt.
    FAILED: It failed, and the document has failed with it.
    INTERRUPTED: The court or the store failed, and the run waits for it. The document's attempts are not counted.
    """

    AVAILABLE = "available"
    RETRIED = "retried"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


_OUTCOMES_BY_SCOPE: Mapping[FailureScope, tuple[DownloadOutcome, ...]] = {
    FailureScope.DOCUMENT: (DownloadOutcome.RETRIED, DownloadOutcome.FAILED),
    FailureScope.PROCESS: (),
    FailureScope.COURT: (DownloadOutcome.INTERRUPTED,),
    # A defect of the service fails a document, a store that takes no writes interrupts it.
    FailureScope.SERVICE: (DownloadOutcome.FAILED, DownloadOutcome.INTERRUPTED),
}


def _document_labels(outcome: DownloadOutcome, code: FailureCode | None = None) -> dict[str, str]:
    return {"outcome": outcome.value, "code": code.value if code else _NO_CODE}


def _status_class(status: int | None) -> str:
    if status is None:
        return _NO_ANSWER
    return f"{status // 100}xx" if 100 <= status < 600 else "other"


class WorkerMetrics:
    """The counters of one worker.

    Args:
        meter: Where they are kept. The default keeps nothing.
    """

    def __init__(self, meter: MetricMeter = MetricMeter.noop) -> None:
        self._documents = meter.create_counter("autos_documents", "Attempts to download a document, by outcome.")
        self._bytes = meter.create_counter("autos_document_bytes", "Bytes of stored documents.", "bytes")
        self._requests = meter.create_counter("autos_court_requests", "Requests to the court, by status class.")
        self._seconds = meter.create_histogram_float(
            "autos_court_response", "Time until the court's response began, or failed to.", "seconds"
        )
        self._runs = meter.create_counter("autos_runs_ended", "Ended runs, by outcome.")
        self._webhooks = meter.create_counter("autos_webhook_attempts", "Attempts to deliver a webhook event.")
        self._pruned = meter.create_counter("autos_pruned_rows", "Rows deleted because their retention was over.")
        self._looks = meter.create_counter("autos_looks_started", "Looks at watched processes that were started.")
        self._bundles = meter.create_counter("autos_bundles", "Builds of bundles that have ended, by failure code.")
        self._create_series()

    def count_document(self, size_bytes: int) -> None:
        """Count a document that has become available."""
        self._documents.add(1, _document_labels(DownloadOutcome.AVAILABLE))
        self._bytes.add(size_bytes)

    def count_failed_document(self, code: FailureCode, outcome: DownloadOutcome) -> None:
        """Count an attempt that failed."""
        self._documents.add(1, _document_labels(outcome, code))

    def count_court_request(self, status: int | None, seconds: float) -> None:
        """Count a request to the court. The status is None if no response began."""
        self._requests.add(1, {"status": _status_class(status)})
        self._seconds.record(seconds)

    def count_ended_run(self, outcome: Outcome) -> None:
        """Count a run that has ended."""
        self._runs.add(1, {"outcome": outcome.value})

    def count_webhook_attempt(self, status: int | None) -> None:
        """Count an attempt to deliver an event. The status is None if there was no answer, or nothing was sent."""
        self._webhooks.add(1, {"status": _status_class(status)})

    def count_pruned(self, kind: HistoryKind, rows: int) -> None:
        """Count rows that were deleted because their retention was over."""
        self._pruned.add(rows, {"kind": kind.value})

    def count_looks(self, looks: int) -> None:
        """Count looks at watched processes that were started."""
        self._looks.add(looks)

    def count_bundle(self, code: BundleFailureCode | None = None) -> None:
        """Count a build that has ended. The code is None if the bundle is ready."""
        self._bundles.add(1, {"code": code.value if code else _NO_CODE})

    def _create_series(self) -> None:
        """Begin every series at 0: Prometheus sees no increase in a series that begins at 1."""
        self._documents.add(0, _document_labels(DownloadOutcome.AVAILABLE))
        for failure in FailureCode:
            for outcome in _OUTCOMES_BY_SCOPE[failure.scope]:
                self._documents.add(0, _document_labels(outcome, failure))
        self._bytes.add(0)
        self._looks.add(0)
        for status in _STATUS_CLASSES:
            self._requests.add(0, {"status": status})
            self._webhooks.add(0, {"status": status})
        for kind in HistoryKind:
            self._pruned.add(0, {"kind": kind.value})
        for code in _BUNDLE_CODES:
            self._bundles.add(0, {"code": code})
        for run_outcome in Outcome:
            self._runs.add(0, {"outcome": run_outcome.value})


NO_METRICS = WorkerMetrics()
