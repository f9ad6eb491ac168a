"""When to probe a court that does not answer, and when to renew a token."""

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
    """Return the time this many seconds after `NOW`."""
    return NOW + timedelta(seconds=seconds)


def test_probe_delay_doubles_from_five_seconds_to_fifteen_minutes() -> None:
    delays = [probe_delay(probes).total_seconds() for probes in range(10)]
    assert delays == [5, 10, 20, 40, 80, 160, 320, 640, 900, 900]


@given(st.integers(0, 10**9))
def test_probe_delay_is_at_most_fifteen_minutes(probes: int) -> None:
    assert timedelta(seconds=5) <= probe_delay(probes) <= timedelta(minutes=15)


def test_retry_after_is_honoured_exactly() -> None:
    state = CourtState(1, DOWN, not_before=after(7))
    assert state.next_probe_time(NOW, 1.0) == after(7)


def test_backoff_also_applies_after_several_failed_probes() -> None:
    assert CourtState(1, DOWN, not_before=after(1), probes=4).next_probe_time(NOW, 0.0) == after(1)
    assert CourtState(1, DOWN, not_before=after(1), probes=6).next_probe_time(NOW, 0.0) == after(10)


def test_probe_is_never_before_retry_after() -> None:
    assert CourtState(1, DOWN, not_before=after(100), probes=1).next_probe_time(NOW, 0.0) == after(100)
    assert CourtState(1, DOWN, not_before=after(9), next_probe_at=after(5)).next_probe_time(NOW, 0.0) == after(9)


def test_planned_probe_is_not_moved() -> None:
    assert CourtState(1, DOWN, next_probe_at=after(3)).next_probe_time(NOW, 1.0) == after(3)


def test_probes_have_jitter() -> None:
    state = CourtState(1, DOWN)
    assert state.next_probe_time(NOW, 1.0) - state.next_probe_time(NOW, 0.0) == timedelta(seconds=0.5)


def test_a_closed_circuit_has_no_failure() -> None:
    assert CourtState().failure is None
    assert isinstance(CourtState(1, DOWN, "HTTP 503").failure, CourtKnownUnavailable)


@pytest.mark.parametrize(
    ("life", "lead"), [(28_800, 60), (180, 60), (20, 20 / 3), (-9, -39)], ids=["8 h", "3 min", "20 s", "ended"]
)
def test_token_is_renewed_before_it_expires(life: float, lead: float) -> None:
    credentials = Credentials("token", "refresh", expires_at=after(life), stored_at=NOW)
    assert credentials.renew_at == after(life) - timedelta(seconds=lead)


def test_earlier_expiry_of_the_two_tokens_counts() -> None:
    credentials = Credentials("t", "r", expires_at=after(9000), refresh_expires_at=after(600), stored_at=NOW)
    assert credentials.renew_at == after(540)


def test_refresh_token_without_access_token_is_used_at_once() -> None:
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
def test_new_login_is_requested_half_an_hour_before_expiry(report: TokenReport, help_needed: bool) -> None:
    assert report.needs_help_soon(NOW) is help_needed


REFUSED = CourtState(
    1, FailureCode.CREDENTIALS_REJECTED, asked_at=NOW, refused_token="old", next_probe_at=after(600), probes=3
)


def test_another_token_is_tried_at_once_but_not_within_five_seconds_of_a_failed_probe() -> None:
    other = TokenReport("stored", "new")
    assert replace(REFUSED, probes=0).next_probe_time(after(1), 0.0, other) == after(1)
    assert REFUSED.next_probe_time(after(1), 0.0, other) == after(5)
    assert REFUSED.next_probe_time(after(9), 0.0, other) == after(9)


@pytest.mark.parametrize("token", [None, TokenReport(), TokenReport("stored", "old")])
def test_refused_token_waits_for_the_planned_probe(token: TokenReport | None) -> None:
    assert REFUSED.next_probe_time(after(1), 0.0, token) == after(600)


def test_another_token_does_not_matter_while_the_court_is_down() -> None:
    down = replace(REFUSED, failure_code=DOWN)
    assert down.next_probe_time(after(1), 0.0, TokenReport("stored", "new")) == after(600)
