"""When the catalog answers by itself, and when a run has done what a request wants that was on its way."""

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


def ended(outcome: Outcome = Outcome.COMPLETED, *, run_id: str = "run", end_count: int = 1) -> Process:
    """A process whose run has ended."""
    # Worker and API need not agree on the time: this one ended in the future.
    run = Run(run_id, "local", EARLIER, ended_at=NOW + DAY, outcome=outcome, end_count=end_count)
    return Process(
        "number",
        "TJMT",
        listed_at=NOW,
        listed_documents=2,
        documents=Completeness(available=1, failed_retryable=1),
        latest_run=run,
    )


BEFORE = replace(ended(), listed_at=EARLIER, latest_run=Run("run", "local", EARLIER))


@pytest.mark.parametrize("outcome", [Outcome.COMPLETED, Outcome.PARTIAL])
@pytest.mark.parametrize("before", [None, BEFORE, replace(BEFORE, latest_run=None), ended(run_id="another")])
def test_a_run_that_ended_meanwhile_has_answered_even_if_documents_could_be_retried(
    outcome: Outcome, before: Process | None
) -> None:
    assert ended(outcome).was_answered_since(before, NOW, DAY)


def test_a_process_failure_since_then_is_an_answer() -> None:
    process = replace(ended(Outcome.FAILED), listed_at=None, failure=SEALED)
    assert process.was_answered_since(BEFORE, NOW, DAY)


def test_a_run_that_had_ended_before_has_not_answered_whatever_the_clocks_say() -> None:
    assert not ended().was_answered_since(ended(), NOW, DAY)


def test_a_run_that_was_reset_and_ended_again_has_answered() -> None:
    assert ended(end_count=2).was_answered_since(ended(), NOW, DAY)


def test_a_cancelled_run_has_not_answered() -> None:
    assert not ended(Outcome.CANCELLED).was_answered_since(BEFORE, NOW, DAY)


def test_a_run_that_left_documents_pending_has_not_answered() -> None:
    left = replace(ended(), documents=Completeness(available=1, pending=1))
    assert not left.was_answered_since(BEFORE, NOW, DAY)


def test_a_run_for_chosen_documents_has_answered_who_asks_for_these_alone() -> None:
    process = ended()
    assert process.latest_run is not None
    chosen = replace(process, latest_run=replace(process.latest_run, chosen_documents=1))
    assert not chosen.was_answered_since(BEFORE, NOW, DAY)
    assert chosen.was_answered_since(BEFORE, NOW, DAY, Completeness(failed_for_good=1))


def test_an_open_run_has_not_answered_yet() -> None:
    assert not replace(ended(), latest_run=Run("run", "local", EARLIER)).was_answered_since(None, NOW, DAY)


def test_a_listing_from_before_is_old_for_who_wants_a_new_one() -> None:
    process = replace(ended(), listed_at=EARLIER)
    assert process.was_answered_since(BEFORE, NOW, DAY)
    assert not process.was_answered_since(BEFORE, NOW, timedelta(0))


def test_a_listing_since_then_is_new_enough_for_anybody() -> None:
    assert ended().was_answered_since(BEFORE, NOW, timedelta(0))


def test_what_failed_for_good_is_an_answer_unless_it_is_asked_for_by_its_id() -> None:
    process = replace(ended(), documents=Completeness(available=1, failed_for_good=1))
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
        # Further ahead, a clock was wrong: nobody knows how old it is.
        (timedelta(minutes=-2), DAY, False),
        (timedelta(days=-30), DAY, False),
    ],
)
def test_a_listing_in_the_future_is_not_fresh(age: timedelta, max_age: timedelta, *, fresh: bool) -> None:
    documents = Completeness(available=2)
    process = Process("number", "TJMT", listed_at=NOW - age, listed_documents=2, documents=documents)
    assert process.listed_within(NOW, max_age) is fresh
    assert process.can_answer(NOW, max_age) is fresh
