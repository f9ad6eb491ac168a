"""The current details of workflows: what an operator reads of an open run, and of one that has ended."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from domain.completeness import Completeness, Outcome, Phase
from domain.errors import FailureCode
from domain.run_messages import ClosedRun, RunEnding, RunProgress
from domain.text import counted
from workflows.details import (
    batch_details,
    delivery_details,
    ended_batch_details,
    ended_delivery_details,
    ended_run_details,
    run_details,
)

NUMBER = "1000001-51.2026.8.11.0041"
PARTIAL = ClosedRun(
    Completeness(available=1, failed_for_good=2, failed_retryable=1), (), {"timed_out": 1, "sealed": 2}
)


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0 documents"), (1, "1 document"), (2, "2 documents"), (1234, "1,234 documents")]
)
def test_nouns_agree_with_their_number(number: int, text: str) -> None:
    assert counted(number, "document") == text


def test_irregular_plurals_are_given() -> None:
    assert counted(1, "process", "processes") == "1 process"
    assert counted(2, "process", "processes") == "2 processes"


def test_an_open_run_shows_its_phase_and_why_it_waits() -> None:
    details = run_details(
        Phase.WAITING_FOR_COURT,
        FailureCode.COURT_THROTTLED,
        Completeness(available=2, pending=2),
        RunProgress(downloaded=1, downloaded_bytes=1, failed=0),
    )
    assert details.startswith("**waiting_for_court** because of `court_throttled`")
    assert "| 1 | downloaded by this run (1 byte) |" in details
    assert details.splitlines()[-1].startswith("**Next:** the run goes on by itself")


def test_a_run_that_waits_for_a_token_names_the_command_for_it() -> None:
    details = run_details(Phase.WAITING_FOR_COURT, FailureCode.CREDENTIALS_REJECTED, Completeness(), RunProgress())
    assert details.splitlines()[-1].startswith("**Next:** `autos court login`")


def test_a_run_that_downloads_needs_nothing() -> None:
    assert "**Next:**" not in run_details(Phase.DOWNLOADING, None, Completeness(pending=1), RunProgress())


def test_a_partial_run_shows_its_outcome_its_failures_by_code_and_what_to_do() -> None:
    details = ended_run_details(
        NUMBER, RunEnding(Outcome.PARTIAL), PARTIAL, RunProgress(downloaded=1, downloaded_bytes=2000)
    )
    assert details.splitlines() == [
        "**Ended: partial.** 1 of 4 documents are available, 3 failed.",
        "",
        "| documents | |",
        "|---|---|",
        "| 4 | in the listing |",
        "| 1 | available |",
        "| 1 | downloaded by this run (2,000 bytes) |",
        "| 2 | failed with `sealed` |",
        "| 1 | failed with `timed_out` |",
        "",
        f"**Next:** `autos retry {NUMBER}`. 2 documents failed for a permanent reason.",
    ]


@pytest.mark.parametrize(
    ("ending", "documents", "heading", "following"),
    [
        (
            RunEnding(Outcome.COMPLETED),
            Completeness(available=1),
            "**Ended: completed.** 1 of 1 document is available.",
            "nothing.",
        ),
        (
            RunEnding(Outcome.COMPLETED),
            Completeness(),
            "**Ended: completed.** The court lists no documents.",
            "nothing.",
        ),
        (
            RunEnding(Outcome.CANCELLED),
            Completeness(available=2, pending=4),
            "**Ended: cancelled.** 2 of 6 documents are available.",
            "nothing is lost. The next request for this process downloads what is missing.",
        ),
        (
            RunEnding(Outcome.FAILED, FailureCode.NO_ACCESS, "HTTP 401: |`não` possui\nacesso"),
            Completeness(),
            "**Ended: failed.** The process failed with `no_access`: `HTTP 401: |'não' possui acesso`",
            f"asking again does not help until the cause is gone; then `autos retry {NUMBER}`.",
        ),
        (
            RunEnding(Outcome.FAILED, FailureCode.LISTING_UNAVAILABLE),
            Completeness(available=1),
            "**Ended: failed.** The process failed with `listing_unavailable`.",
            f"`autos retry {NUMBER}`.",
        ),
        (
            RunEnding(Outcome.FAILED, FailureCode.INTERNAL_ERROR),
            Completeness(),
            "**Ended: failed.** The process failed with `internal_error`.",
            f"look for this process in the workers' logs, then `autos retry {NUMBER}`.",
        ),
        (
            RunEnding(Outcome.PARTIAL),
            Completeness(available=1, failed_for_good=1),
            "**Ended: partial.** 1 of 2 documents are available, 1 failed.",
            f"asking again does not help until the causes are gone; then `autos retry {NUMBER}`.",
        ),
        (
            RunEnding(Outcome.PARTIAL),
            Completeness(available=1, pending=1),
            "**Ended: partial.** 1 of 2 documents are available.",
            "the next request for this process downloads the rest.",
        ),
    ],
)
def test_an_ended_run_never_reads_as_if_it_were_at_work(
    ending: RunEnding, documents: Completeness, heading: str, following: str
) -> None:
    lines = ended_run_details(NUMBER, ending, ClosedRun(documents, ()), RunProgress()).splitlines()
    assert (lines[0], lines[-1]) == (heading, f"**Next:** {following}")


def test_a_batch_says_what_it_did_and_what_it_left() -> None:
    assert batch_details(1, 1, 0, 2).splitlines() == [
        "**at work**, 1 process to go",
        "",
        "1 run started · 0 open runs joined · 2 processes answered from the catalog",
    ]
    assert ended_batch_details("b1", 0, 1, 0, 2).startswith("**Ended.** Every process")
    assert ended_batch_details("b1", 1, 1, 0, 2).startswith("**Ended: cancelled.** 1 process was not started.")


def test_a_delivery_says_when_it_is_attempted_and_how_it_ended() -> None:
    due_at = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)
    assert delivery_details(2, 10, due_at) == "**attempt 2 of 10** is due at 2026-11-30 12:00:00 UTC"
    assert delivery_details(1, 10, None) == "**attempt 1 of 10** is being made"
    assert ended_delivery_details("evt_1", 3, delivered=True).startswith("**Ended: delivered**")
    assert "autos deliveries redeliver evt_1" in ended_delivery_details("evt_1", 10, delivered=False)
