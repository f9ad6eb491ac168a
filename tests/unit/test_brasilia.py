"""Brasília's time, also of the placeholder dates of courts."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from domain.brasilia import in_brasilia


@pytest.mark.parametrize("moment", [datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, tzinfo=UTC)])
def test_the_ends_of_the_calendar_have_a_day(moment: datetime) -> None:
    assert in_brasilia(moment).date() == moment.date()


def test_the_day_is_that_of_brasilia() -> None:
    assert in_brasilia(datetime(2026, 3, 1, 2, 59, tzinfo=UTC)).date() == date(2026, 2, 28)
