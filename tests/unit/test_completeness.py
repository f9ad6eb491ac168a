"""When a process is complete or settled, and what its status is called."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.completeness import Completeness, Outcome, ProcessStatus, process_status

counts = st.integers(0, 10_000)
completenesses = st.builds(
    Completeness, available=counts, pending=counts, failed_for_good=counts, failed_retryable=counts
)


@given(completenesses)
def test_complete_means_that_every_listed_document_is_available(documents: Completeness) -> None:
    missing = documents.pending + documents.failed
    assert documents.complete == (missing == 0 and documents.available > 0)


@given(completenesses)
def test_complete_process_is_settled(documents: Completeness) -> None:
    assert documents.settled or not documents.complete


@given(completenesses)
def test_only_complete_processes_are_at_100_percent(documents: Completeness) -> None:
    assert 0 <= documents.progress_percentage <= 100
    assert (documents.progress_percentage == 100) == documents.complete


@given(completenesses)
def test_every_document_is_counted_once(documents: Completeness) -> None:
    assert documents.total == documents.available + documents.pending + documents.failed


@pytest.mark.parametrize(
    ("documents", "settled"),
    [
        (Completeness(available=31), True),
        (Completeness(available=30, failed_for_good=1), True),
        (Completeness(available=30, failed_retryable=1), False),
        (Completeness(available=30, pending=1), False),
        (Completeness(), True),
    ],
)
def test_settled_means_that_no_run_can_change_anything(documents: Completeness, settled: bool) -> None:
    assert documents.settled is settled


@pytest.mark.parametrize(
    ("documents", "outcome"),
    [
        (Completeness(available=3), Outcome.COMPLETED),
        (Completeness(), Outcome.COMPLETED),
        (Completeness(available=2, failed_for_good=1), Outcome.PARTIAL),
        (Completeness(failed_retryable=3), Outcome.PARTIAL),
    ],
)
def test_outcome_is_completed_or_partial(documents: Completeness, outcome: Outcome) -> None:
    assert documents.outcome is outcome


@pytest.mark.parametrize(
    ("documents", "listed", "process_failed", "run_open", "status"),
    [
        (Completeness(available=3), True, False, False, ProcessStatus.COMPLETED),
        (Completeness(available=3), True, False, True, ProcessStatus.PROCESSING),
        (Completeness(), False, False, True, ProcessStatus.PROCESSING),
        (Completeness(), False, True, True, ProcessStatus.PROCESSING),
        (Completeness(), False, True, False, ProcessStatus.FAILED),
        (Completeness(available=2), True, True, False, ProcessStatus.FAILED),
        (Completeness(available=2, failed_for_good=1), True, False, False, ProcessStatus.PARTIAL),
        (Completeness(failed_retryable=1), True, False, False, ProcessStatus.PARTIAL),
        (Completeness(available=2, pending=1), True, False, False, ProcessStatus.PENDING),
        (Completeness(pending=1, failed_for_good=2), True, False, False, ProcessStatus.PENDING),
        (Completeness(), True, False, False, ProcessStatus.EMPTY),
        (Completeness(), False, False, False, ProcessStatus.PENDING),
    ],
)
def test_status_follows_from_documents_and_runs(
    documents: Completeness, listed: bool, process_failed: bool, run_open: bool, status: ProcessStatus
) -> None:
    assert process_status(documents, listed=listed, process_failed=process_failed, run_open=run_open) is status
