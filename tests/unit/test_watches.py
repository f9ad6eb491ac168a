"""When watched processes are looked at."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.brasilia import BRASILIA
from domain.errors import FailureCode
from domain.watches import (
    Watch,
    WatchState,
    WatchWish,
    following_look,
    late_after,
    looks_per_sweep,
    next_look,
)
from tests.support.numbers import fresh_number

DAY = timedelta(days=1)
BEGINNING = datetime(2008, 1, 1, tzinfo=UTC)
NUMBERS = st.builds(fresh_number)
# Daylight saving time began and ended every year until 2019.
MOMENTS = st.integers(0, 22 * 366 * 86_400).map(lambda seconds: BEGINNING + timedelta(seconds=seconds))
LONG_INTERVALS = st.integers(86_400, 31 * 86_400).map(lambda seconds: timedelta(seconds=seconds))


@given(number=NUMBERS, every=LONG_INTERVALS, due=MOMENTS)
def test_looks_at_long_intervals_are_in_the_open_hours_and_never_later_than_asked_for(
    number: str, every: timedelta, due: datetime
) -> None:
    planned = next_look(number, every, due)
    assert 6 <= planned.astimezone(BRASILIA).hour < 22
    # On the clock on the wall. An hour more or less has passed where daylight saving time begins or ends.
    on_the_wall = planned.astimezone(BRASILIA).replace(tzinfo=None) - due.astimezone(BRASILIA).replace(tzinfo=None)
    assert timedelta(0) < on_the_wall <= every
    assert timedelta(0) < planned - due <= every + timedelta(hours=1)


@given(number=NUMBERS, due=MOMENTS)
def test_daily_looks_keep_their_time_of_day_over_a_year_with_daylight_saving_time(
    number: str, due: datetime
) -> None:
    looks = [next_look(number, DAY, due)]
    while len(looks) < 400:
        looks.append(next_look(number, DAY, looks[-1]))
    on_the_wall = [look.astimezone(BRASILIA) for look in looks]
    assert len({moment.time() for moment in on_the_wall}) == 1
    days = [moment.date() for moment in on_the_wall]
    assert all(later - earlier == DAY for earlier, later in pairwise(days))


def test_daylight_saving_time_moves_no_look() -> None:
    # It began on 4 November 2018, and ended on 17 February 2019.
    for noon in (datetime(2018, 11, 4, 15, tzinfo=UTC), datetime(2019, 2, 17, 15, tzinfo=UTC)):
        number = fresh_number()
        before = next_look(number, DAY, noon - 2 * DAY)
        after = next_look(number, DAY, next_look(number, DAY, before))
        assert before.astimezone(BRASILIA).time() == after.astimezone(BRASILIA).time()
        assert abs((after - before) - 2 * DAY) == timedelta(hours=1)


@given(number=NUMBERS, seconds=st.integers(3600, 86_399), due=MOMENTS)
def test_looks_at_short_intervals_follow_each_other_day_and_night(number: str, seconds: int, due: datetime) -> None:
    assert next_look(number, timedelta(seconds=seconds), due) - due == timedelta(seconds=seconds)


@given(number=NUMBERS, every=st.integers(3600, 31 * 86_400), due=MOMENTS, late=st.integers(0, 40 * 86_400))
def test_the_following_look_is_in_the_future_and_within_the_interval(
    number: str, every: int, due: datetime, late: int
) -> None:
    now = due + timedelta(seconds=late)
    following = following_look(number, timedelta(seconds=every), due, now)
    assert now < following <= now + timedelta(seconds=every, hours=1)


def test_a_look_that_was_made_after_midnight_leaves_out_no_day() -> None:
    number, every = fresh_number(), DAY
    due = next_look(number, every, datetime(2026, 3, 2, tzinfo=UTC))
    assert following_look(number, every, due, due + timedelta(hours=20)) == due + DAY


def test_daily_looks_are_spread_over_the_open_hours() -> None:
    due = datetime(2026, 3, 2, tzinfo=UTC)
    hours = [next_look(fresh_number(), DAY, due).astimezone(BRASILIA).hour for _ in range(1600)]
    assert set(hours) == set(range(6, 22))
    assert max(hours.count(hour) for hour in range(6, 22)) < 200


@pytest.mark.parametrize(
    ("every", "tolerance"),
    [
        (timedelta(hours=1), timedelta(minutes=30)),
        (timedelta(hours=8), timedelta(hours=2)),
        (DAY, timedelta(hours=6)),
        (7 * DAY, timedelta(hours=6)),
    ],
)
def test_a_watch_is_late_after_a_part_of_its_interval(every: timedelta, tolerance: timedelta) -> None:
    planned = datetime(2026, 3, 2, 12, tzinfo=UTC)
    assert late_after(planned, every) - planned == tolerance


@pytest.mark.parametrize(
    ("failure_code", "state"),
    [
        (None, WatchState.ACTIVE),
        (FailureCode.LISTING_UNAVAILABLE, WatchState.ACTIVE),
        (FailureCode.NO_ACCESS, WatchState.NO_ACCESS),
        (FailureCode.NOT_FOUND, WatchState.NOT_FOUND),
    ],
)
def test_the_state_of_a_watch(failure_code: FailureCode | None, state: WatchState) -> None:
    now = datetime(2026, 3, 2, 12, tzinfo=UTC)
    watch = Watch(fresh_number(), "firm", WatchWish(), now, None, now, late_after(now, DAY), failure_code)
    assert watch.state(now) is state
    assert watch.state(watch.late_at) is WatchState.LATE


def test_looks_take_no_more_than_their_share_of_the_pace() -> None:
    assert looks_per_sweep(5, 0.25) == 75
    assert looks_per_sweep(0.01, 0.1) == 1
    assert looks_per_sweep(5, 0) == 0
