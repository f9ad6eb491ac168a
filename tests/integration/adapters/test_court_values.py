"""Parsing of values as the court's systems write them."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.court_pdpj.values import parse_datetime, parse_integer

TEN = datetime(2026, 3, 2, 13, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    "value",
    [
        "2026-03-02T10:00:00",
        " 2026-03-02T10:00:00 ",
        "2026-03-02 10:00:00",
        "2026-03-02T10:00",
        "2026-03-02T10:00:00-03:00",
        "2026-03-02T10:00:00-0300",
        "2026-03-02T13:00:00Z",
        "2026-03-02T13:00:00.000Z[UTC]",
        "20260302100000",
        "02/03/2026 10:00:00",
        "02/03/2026 10:00",
        "2/3/2026 10:00:00",
        1772456400000,
        1772456400000.0,
        "1772456400000",
        1772456400,
    ],
)
def test_a_datetime_is_parsed_in_any_format(value: object) -> None:
    assert parse_datetime(value) == TEN


@pytest.mark.parametrize(
    ("value", "read"),
    [
        ("2026-03-02", datetime(2026, 3, 2, 3, 0, tzinfo=UTC)),
        ("02/03/2026", datetime(2026, 3, 2, 3, 0, tzinfo=UTC)),
        ("2026-03-02T10:00:00.123456789", datetime(2026, 3, 2, 13, 0, 0, 123456, tzinfo=UTC)),
        ("9999-12-31T23:59:59", datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)),
    ],
)
def test_dates_fractions_and_the_ends_of_the_calendar(value: str, read: datetime) -> None:
    assert parse_datetime(value) == read


@pytest.mark.parametrize(
    "value",
    [
        "",
        "2026-02-30T10:00:00",
        "31/02/2026",
        "03/13/2026",
        "ontem",
        "20269999999999",
        None,
        True,
        7,
        -1,
        [],
        {},
        1e300,
    ],
)
def test_anything_else_is_not_a_datetime(value: object) -> None:
    assert parse_datetime(value) is None


@pytest.mark.parametrize("value", [548, 548.0, "548", " 548 ", "548.0", "+548"])
def test_an_integer_is_parsed_in_any_format(value: object) -> None:
    assert parse_integer(value) == 548


@pytest.mark.parametrize("value", ["", "548 KB", "5,48", "1e3", 1.5, True, None, [], "9" * 30, 2**63, float("nan")])
def test_anything_else_is_not_an_integer(value: object) -> None:
    assert parse_integer(value) is None


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists))
def test_any_json_is_a_value_or_none(value: object) -> None:
    read = parse_datetime(value)
    assert read is None or read.tzinfo is UTC
    number = parse_integer(value)
    assert number is None or abs(number) < 2**63
    json.dumps(number)
