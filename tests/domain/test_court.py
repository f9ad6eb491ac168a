"""When to probe a court that is away, and when to renew a token."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.court import CourtState, Credentials, TokenReport, probe_delay
from domain.errors import CourtKnownUnavailable, FailureCode

NOW = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)
DOWN = FailureCode.COURT_UNAVAILABLE


def after(seconds: float) -> datetime:
    """A moment after the present one."""
    return NOW + timedelta(seconds=seconds)


def test_probes_grow_from_five_seconds_to_a_quarter_of_an_hour() -> None:
    delays = [probe_delay(probes).total_seconds() for probes in range(10)]
    assert delays == [5, 10, 20, 40, 80, 160, 320, 640, 900, 900]


@given(st.integers(0, 10**9))
def test_a_probe_is_never_further_away_than_a_quarter_of_an_hour(probes: int) -> None:
    assert timedelta(seconds=5) <= probe_delay(probes) <= timedelta(minutes=15)


def test_the_courts_own_time_is_kept_to_the_second() -> None:
    condition = CourtState(1, DOWN, not_before=after(7))
    assert condition.probe_due(NOW, 1.0) == after(7)


def test_patience_grows_when_the_courts_own_time_did_not_help() -> None:
    assert CourtState(1, DOWN, not_before=after(1), probes=4).probe_due(NOW, 0.0) == after(1)
    assert CourtState(1, DOWN, not_before=after(1), probes=6).probe_due(NOW, 0.0) == after(10)


def test_no_probe_comes_before_the_courts_own_time() -> None:
    assert CourtState(1, DOWN, not_before=after(100), probes=1).probe_due(NOW, 0.0) == after(100)
    assert CourtState(1, DOWN, not_before=after(9), next_probe_at=after(5)).probe_due(NOW, 0.0) == after(9)


def test_a_planned_probe_stays_planned() -> None:
    assert CourtState(1, DOWN, next_probe_at=after(3)).probe_due(NOW, 1.0) == after(3)


def test_probes_are_spread() -> None:
    assert CourtState(1, DOWN).probe_due(NOW, 1.0) - CourtState(1, DOWN).probe_due(NOW, 0.0) == timedelta(
        seconds=0.5
    )


def test_a_court_that_answers_is_no_failure() -> None:
    assert CourtState().failure is None
    assert isinstance(CourtState(1, DOWN, "HTTP 503").failure, CourtKnownUnavailable)


@pytest.mark.parametrize(
    ("life", "lead"), [(28_800, 60), (180, 60), (20, 20 / 3), (-9, -39)], ids=["8 h", "3 min", "20 s", "ended"]
)
def test_a_token_is_renewed_ahead_of_its_end(life: float, lead: float) -> None:
    credentials = Credentials("token", "refresh", expires_at=after(life), stored_at=NOW)
    assert credentials.renew_at == after(life) - timedelta(seconds=lead)


def test_the_earlier_end_of_the_two_tokens_counts() -> None:
    credentials = Credentials("t", "r", expires_at=after(9000), refresh_expires_at=after(600), stored_at=NOW)
    assert credentials.renew_at == after(540)


def test_a_lone_refresh_token_is_used_at_once() -> None:
    assert Credentials(None, "refresh", stored_at=NOW).renew_at == NOW


def test_without_a_refresh_token_nothing_is_renewed() -> None:
    assert Credentials("token", expires_at=after(60), stored_at=NOW).renew_at is None


def test_credentials_show_no_token() -> None:
    assert "hush" not in repr(Credentials("hush-access", "hush-refresh"))


@pytest.mark.parametrize(
    ("report", "help_needed"),
    [
        (TokenReport(), True),
        (TokenReport("stored", None, after(29 * 60)), True),
        (TokenReport("stored", None, after(31 * 60)), False),
        (TokenReport("stored", None, after(60), renewable=True), False),
        (TokenReport("environment"), False),
        (TokenReport("environment", None, after(9000), rejected=True), True),
    ],
)
def test_a_person_is_called_half_an_hour_before_the_token_ends(report: TokenReport, help_needed: bool) -> None:
    assert report.needs_help_soon(NOW) is help_needed


REFUSED = CourtState(
    1, FailureCode.CREDENTIALS_REJECTED, asked_at=NOW, refused_token="old", next_probe_at=after(600), probes=3
)


def test_another_token_is_tried_at_once_but_never_hastily() -> None:
    other = TokenReport("stored", "new")
    assert replace(REFUSED, probes=0).probe_due(after(1), 0.0, other) == after(1)
    assert REFUSED.probe_due(after(1), 0.0, other) == after(5)
    assert REFUSED.probe_due(after(9), 0.0, other) == after(9)


@pytest.mark.parametrize("token", [None, TokenReport(), TokenReport("stored", "old")])
def test_the_token_that_was_refused_waits_for_its_turn(token: TokenReport | None) -> None:
    assert REFUSED.probe_due(after(1), 0.0, token) == after(600)


def test_another_token_is_no_cure_for_a_court_that_is_down() -> None:
    down = replace(REFUSED, failure_code=DOWN)
    assert down.probe_due(after(1), 0.0, TokenReport("stored", "new")) == after(600)
