"""When the catalog can answer a request, and when a run that ended meanwhile has answered it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from domain.completeness import Completeness, Outcome
from domain.documents import Failure
from domain.errors import FailureCode
from domain.processes import Process, Run

NOW = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)
EARLIER = NOW - timedelta(hours=1)
DAY = timedelta(days=1)
SEALED = Failure(FailureCode.NO_ACCESS, "", 1, NOW)


def create_ended_process(
    outcome: Outcome = Outcome.COMPLETED, *, run_id: str = "run", end_count: int = 1
) -> Process:
    """Return a process whose run has ended."""
    # The clocks of worker and API may differ: this run ended in the future.
    run = Run(run_id, "local", EARLIER, ended_at=NOW + DAY, outcome=outcome, end_count=end_count)
    return Process(
        "number",
        "TJMT",
        listed_at=NOW,
        listed_documents=2,
        documents=Completeness(available=1, failed_retryable=1),
        latest_run=run,
    )


BEFORE = replace(create_ended_process(), listed_at=EARLIER, latest_run=Run("run", "local", EARLIER))


@pytest.mark.parametrize("outcome", [Outcome.COMPLETED, Outcome.PARTIAL])
@pytest.mark.parametrize(
    "before", [None, BEFORE, replace(BEFORE, latest_run=None), create_ended_process(run_id="another")]
)
def test_run_that_ended_meanwhile_answers_even_with_retryable_documents(
    outcome: Outcome, before: Process | None
) -> None:
    assert create_ended_process(outcome).was_answered_since(before, NOW, DAY)


def test_later_process_failure_is_an_answer() -> None:
    process = replace(create_ended_process(Outcome.FAILED), listed_at=None, failure=SEALED)
    assert process.was_answered_since(BEFORE, NOW, DAY)


def test_run_that_ended_before_does_not_answer_despite_clock_skew() -> None:
    assert not create_ended_process().was_answered_since(create_ended_process(), NOW, DAY)


def test_run_that_was_reset_and_ended_again_answers() -> None:
    assert create_ended_process(end_count=2).was_answered_since(create_ended_process(), NOW, DAY)


def test_cancelled_run_does_not_answer() -> None:
    assert not create_ended_process(Outcome.CANCELLED).was_answered_since(BEFORE, NOW, DAY)


def test_run_with_pending_documents_does_not_answer() -> None:
    left = replace(create_ended_process(), documents=Completeness(available=1, pending=1))
    assert not left.was_answered_since(BEFORE, NOW, DAY)


def test_run_for_chosen_documents_answers_only_requests_for_them() -> None:
    process = create_ended_process()
    assert process.latest_run is not None
    chosen = replace(process, latest_run=replace(process.latest_run, chosen_documents=1))
    assert not chosen.was_answered_since(BEFORE, NOW, DAY)
    assert chosen.was_answered_since(BEFORE, NOW, DAY, Completeness(failed_for_good=1))


def test_open_run_does_not_answer() -> None:
    assert not replace(create_ended_process(), latest_run=Run("run", "local", EARLIER)).was_answered_since(
        None, NOW, DAY
    )


def test_earlier_listing_is_too_old_for_a_request_for_a_new_one() -> None:
    process = replace(create_ended_process(), listed_at=EARLIER)
    assert process.was_answered_since(BEFORE, NOW, DAY)
    assert not process.was_answered_since(BEFORE, NOW, timedelta(0))


def test_later_listing_is_fresh_enough_for_any_request() -> None:
    assert create_ended_process().was_answered_since(BEFORE, NOW, timedelta(0))


def test_permanent_failure_answers_unless_the_document_is_requested_by_id() -> None:
    process = replace(create_ended_process(), documents=Completeness(available=1, failed_for_good=1))
    assert process.can_answer(NOW, DAY)
    assert not process.can_answer(NOW, DAY, Completeness(failed_for_good=1))
    assert process.can_answer(NOW, DAY, Completeness(available=1))
    assert not process.can_answer(NOW, timedelta(0))


@pytest.mark.parametrize(
    ("age", "max_age", "fresh"),
    [
        (timedelta(0), DAY, True),
        (DAY, DAY, False),
        (timedelta(hours=23), DAY, True),
        # A worker's clock may run ahead of the API's by some seconds.
        (timedelta(seconds=-30), DAY, True),
        (timedelta(seconds=-30), timedelta(0), False),
        (timedelta(0), timedelta(0), False),
        # Further ahead, a clock was wrong, so the age of the listing is unknown.
        (timedelta(minutes=-2), DAY, False),
        (timedelta(days=-30), DAY, False),
    ],
)
def test_a_listing_in_the_future_is_not_fresh(age: timedelta, max_age: timedelta, *, fresh: bool) -> None:
    documents = Completeness(available=2)
    process = Process("number", "TJMT", listed_at=NOW - age, listed_documents=2, documents=documents)
    assert process.listed_within(NOW, max_age) is fresh
    assert process.can_answer(NOW, max_age) is fresh
