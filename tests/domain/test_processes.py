"""When the catalog answers by itself, and when a run has done what a request wanted before it came in."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from domain.completeness import Completeness, Outcome
from domain.documents import Failure
from domain.errors import FailureCode
from domain.processes import Process, Run

ASKED = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)
LATER = ASKED + timedelta(seconds=1)
EARLIER = ASKED - timedelta(seconds=1)
DAY = timedelta(days=1)


def ended(outcome: Outcome = Outcome.COMPLETED, at: datetime = LATER) -> Process:
    """A process whose run has ended."""
    run = Run("run", "local", EARLIER, ended_at=at, outcome=outcome)
    return Process(
        "number",
        "TJMT",
        listed_at=LATER,
        listed_documents=2,
        documents=Completeness(available=1, failed_retryable=1),
        latest_run=run,
    )


@pytest.mark.parametrize("outcome", [Outcome.COMPLETED, Outcome.PARTIAL])
def test_a_run_that_ended_since_then_has_answered_even_if_documents_could_be_retried(outcome: Outcome) -> None:
    assert ended(outcome).answered_since(ASKED, DAY)


def test_a_process_failure_since_then_is_an_answer() -> None:
    failure = Failure(FailureCode.NO_ACCESS, "", 1, LATER)
    process = replace(ended(Outcome.FAILED), listed_at=None, failure=failure)
    assert process.answered_since(ASKED, DAY)


def test_a_run_that_ended_before_has_not_answered() -> None:
    assert not ended(at=EARLIER).answered_since(ASKED, DAY)


def test_a_cancelled_run_has_not_answered() -> None:
    assert not ended(Outcome.CANCELLED).answered_since(ASKED, DAY)


def test_a_run_that_left_documents_pending_has_not_answered() -> None:
    assert not replace(ended(), documents=Completeness(available=1, pending=1)).answered_since(ASKED, DAY)


def test_an_open_run_has_not_answered_yet() -> None:
    assert not replace(ended(), latest_run=Run("run", "local", EARLIER)).answered_since(ASKED, DAY)


def test_a_listing_from_before_is_old_for_who_wants_a_new_one() -> None:
    process = replace(ended(), listed_at=EARLIER)
    assert process.answered_since(ASKED, DAY)
    assert not process.answered_since(ASKED, timedelta(0))


def test_a_listing_since_then_is_new_enough_for_anybody() -> None:
    assert ended().answered_since(ASKED, timedelta(0))
