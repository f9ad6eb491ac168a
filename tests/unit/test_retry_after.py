"""Reading ``Retry-After``."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from domain.retry_after import parse_retry_after


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0.0),
        ("7", 7.0),
        (" 7 ", 7.0),
        ("1.5", 1.5),
        ("-3", 0.0),
        ("3600", 3600.0),
        ("3601", 3600.0),
        ("1e400", 3600.0),
        ("inf", 3600.0),
        ("nan", None),
        ("soon", None),
        ("", None),
        (None, None),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
        ("Wed, 21 Oct 2015 07:28:00 -0000", 0.0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 3600.0),
        ("Wed, 99 Oct 2015 07:28:00 GMT", None),
    ],
)
def test_seconds_and_dates_are_parsed(value: str | None, seconds: float | None) -> None:
    assert parse_retry_after(value) == seconds


@pytest.mark.parametrize("zone", [UTC, timezone(timedelta(hours=-3))])
def test_a_date_counts_from_now_in_any_zone(zone: timezone) -> None:
    date = format_datetime(datetime.now(zone) + timedelta(seconds=100), usegmt=zone is UTC)
    seconds = parse_retry_after(date)
    assert seconds is not None
    assert 97 <= seconds <= 100


def test_maximum_wait_is_configurable() -> None:
    assert parse_retry_after("500", longest=60) == 60


dates = st.from_regex(
    r"\A(Mon, )?[0-9]{1,3} (Jan|Feb|Xyz) [0-9]{1,25} [0-9]{1,3}:[0-9]{1,3}(:[0-9]{1,3})? [-+]?([0-9]{1,9}|GMT|)\Z"
)


@given(st.text() | dates)
@example("Mon, 1 Jan 99999999999999999999 00:00:00 GMT")
def test_any_value_is_a_bounded_wait_or_none(value: str) -> None:
    seconds = parse_retry_after(value)
    assert seconds is None or 0 <= seconds <= 3600
