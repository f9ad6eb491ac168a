"""Cursors come back as they were given out, and nothing else is taken for one."""

from __future__ import annotations

import base64
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.parameters import (
    decode_cursor,
    decode_failure_cursor,
    decode_process_cursor,
    encode_cursor,
    encode_failure_cursor,
    encode_process_cursor,
)
from domain.errors import InvalidInput

NUMBER = "1011745-77.2025.8.11.0041"
DECODERS: list[Callable[[str], object]] = [decode_cursor, decode_process_cursor, decode_failure_cursor]
MOMENT = datetime(2026, 11, 23, 12, 0, 0, 999_999, UTC)
ID = "0b2f8a1e-3f0a-4c57-9a43-2f6f3d0f5a11"
GIVEN_OUT = [
    (decode_cursor, encode_cursor(17)),
    (decode_process_cursor, encode_process_cursor(MOMENT, NUMBER)),
    (decode_failure_cursor, encode_failure_cursor(MOMENT, NUMBER, ID)),
]

moments = st.datetimes(datetime(1970, 1, 1), datetime(5000, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


@given(st.integers(0, 2**31 - 1))
def test_a_position_comes_back(position: int) -> None:
    assert decode_cursor(encode_cursor(position)) == position


@given(moments)
def test_a_process_comes_back_to_the_microsecond(moment: datetime) -> None:
    assert decode_process_cursor(encode_process_cursor(moment, NUMBER)) == (moment, NUMBER)


@given(moments, st.one_of(st.just(""), st.uuids().map(UUID.__str__)))
def test_a_failure_comes_back_to_the_microsecond(moment: datetime, document_id: str) -> None:
    cursor = encode_failure_cursor(moment, NUMBER, document_id)
    assert decode_failure_cursor(cursor) == (moment, NUMBER, document_id)


def test_the_first_page_needs_no_cursor() -> None:
    assert [decode(None) for decode in (decode_cursor, decode_process_cursor, decode_failure_cursor)] == [
        0,
        None,
        None,
    ]


def wrapped(text: str) -> str:
    """Any text, in the form of a cursor."""
    return base64.urlsafe_b64encode(text.encode("utf-8", "surrogatepass")).decode().rstrip("=")


def assert_refused(decode: Callable[[str], object], cursor: str) -> None:
    """The cursor is refused as a client's mistake."""
    with pytest.raises(InvalidInput) as refusal:
        decode(cursor)
    assert (refusal.value.code, refusal.value.field) == ("invalid_cursor", "cursor")


@pytest.mark.parametrize("decode", DECODERS)
@given(st.one_of(st.text(), st.text().map(wrapped), st.from_regex(r"[pcf][0-9]{0,20}/?.{0,70}").map(wrapped)))
def test_whatever_is_sent_is_a_cursor_or_refused(decode: Callable[[str], object], sent: str) -> None:
    with suppress(InvalidInput):
        # Any other error would be answered as a fault of this side.
        decode(sent)


@pytest.mark.parametrize(("decode", "cursor"), GIVEN_OUT)
def test_a_cursor_of_another_list_is_refused(decode: Callable[[str], object], cursor: str) -> None:
    for other in DECODERS:
        if other is not decode:
            assert_refused(other, cursor)


@pytest.mark.parametrize(("decode", "cursor"), GIVEN_OUT)
def test_a_cursor_that_was_cut_or_lengthened_is_refused(decode: Callable[[str], object], cursor: str) -> None:
    for changed in (cursor[1:], f"{cursor}=", f" {cursor}", f"{cursor}AA", cursor[: len(cursor) // 2], ""):
        assert_refused(decode, changed)


@pytest.mark.parametrize(
    ("decode", "text"),
    [
        (decode_cursor, "p2147483648"),
        (decode_cursor, "p-1"),
        (decode_cursor, "p１"),
        (decode_process_cursor, f"c{10**17}/{NUMBER}"),
        (decode_process_cursor, f"c-1/{NUMBER}"),
        (decode_process_cursor, f"c1/{NUMBER}\n"),
        (decode_process_cursor, "c1/" + "\0" * 25),
        (decode_failure_cursor, f"f1/{NUMBER}/{ID.upper()}"),
        (decode_failure_cursor, f"f1/{NUMBER}/{ID}/"),
        (decode_failure_cursor, f"f1/{NUMBER}"),
    ],
)
def test_a_cursor_with_other_things_in_it_is_refused(decode: Callable[[str], object], text: str) -> None:
    assert_refused(decode, wrapped(text))
