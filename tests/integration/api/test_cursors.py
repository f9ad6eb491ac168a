"""Cursor codecs: round trips, and refusal of everything that the API did not issue."""

from __future__ import annotations

import base64
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.pagination import (
    BATCH_CURSOR,
    CHANGE_CURSOR,
    FAILURE_CURSOR,
    POSITION_CURSOR,
    PROCESS_CURSOR,
    TIMELINE_CURSOR,
    CursorCodec,
)
from domain.cases import TimelineKey
from domain.errors import InvalidInput

NUMBER = "1011745-77.2025.8.11.0041"
CODECS: list[CursorCodec[Any]] = [
    *(POSITION_CURSOR, PROCESS_CURSOR, FAILURE_CURSOR, BATCH_CURSOR, CHANGE_CURSOR, TIMELINE_CURSOR),
]
MOMENT = datetime(2026, 11, 23, 12, 0, 0, 999_999, UTC)
ID = "0b2f8a1e-3f0a-4c57-9a43-2f6f3d0f5a11"
VALID_CURSORS = [
    (POSITION_CURSOR, POSITION_CURSOR.encode(17)),
    (PROCESS_CURSOR, PROCESS_CURSOR.encode((MOMENT, NUMBER))),
    (FAILURE_CURSOR, FAILURE_CURSOR.encode((MOMENT, NUMBER, ID))),
    (BATCH_CURSOR, BATCH_CURSOR.encode((MOMENT, "0" * 32))),
    (CHANGE_CURSOR, CHANGE_CURSOR.encode(17)),
    (TIMELINE_CURSOR, TIMELINE_CURSOR.encode(TimelineKey(MOMENT, False, ID))),
    (TIMELINE_CURSOR, TIMELINE_CURSOR.encode(TimelineKey(None, True, "ab" * 32))),
]

moments = st.datetimes(datetime(1970, 1, 1), datetime(5000, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


@given(st.integers(0, 2**31 - 1))
def test_position_cursor_round_trips(position: int) -> None:
    assert POSITION_CURSOR.decode(POSITION_CURSOR.encode(position)) == position


@given(moments)
def test_process_cursor_round_trips_to_the_microsecond(moment: datetime) -> None:
    assert PROCESS_CURSOR.decode(PROCESS_CURSOR.encode((moment, NUMBER))) == (moment, NUMBER)


@given(moments, st.one_of(st.just(""), st.uuids().map(UUID.__str__)))
def test_failure_cursor_round_trips_to_the_microsecond(moment: datetime, document_id: str) -> None:
    cursor = FAILURE_CURSOR.encode((moment, NUMBER, document_id))
    assert FAILURE_CURSOR.decode(cursor) == (moment, NUMBER, document_id)


@given(
    st.none() | st.datetimes(datetime(1, 1, 2), datetime(9999, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    st.booleans(),
    st.uuids().map(UUID.__str__),
)
def test_timeline_cursor_round_trips_also_before_1970_and_without_a_time(
    moment: datetime | None, is_movement: bool, entry_id: str
) -> None:
    key = TimelineKey(moment, is_movement, entry_id)
    assert TIMELINE_CURSOR.decode(TIMELINE_CURSOR.encode(key)) == key


@given(moments, st.uuids().map(lambda batch_id: batch_id.hex))
def test_batch_cursor_round_trips_to_the_microsecond(moment: datetime, batch_id: str) -> None:
    assert BATCH_CURSOR.decode(BATCH_CURSOR.encode((moment, batch_id))) == (moment, batch_id)


def test_missing_cursor_decodes_to_none() -> None:
    assert {codec.decode(None) for codec in CODECS} == {None}


def encode_as_cursor(text: str) -> str:
    """Encode any text the way cursors are encoded."""
    return base64.urlsafe_b64encode(text.encode("utf-8", "surrogatepass")).decode().rstrip("=")


def assert_refused(codec: CursorCodec[Any], cursor: str) -> None:
    """Assert that the cursor is refused as invalid input."""
    with pytest.raises(InvalidInput) as refusal:
        codec.decode(cursor)
    assert (refusal.value.code, refusal.value.field) == ("invalid_cursor", "cursor")


@pytest.mark.parametrize("codec", CODECS)
@given(
    st.one_of(
        st.text(),
        st.text().map(encode_as_cursor),
        st.from_regex(r"[bpcf][0-9]{0,20}/?.{0,70}").map(encode_as_cursor),
    )
)
def test_any_text_decodes_or_raises_invalid_input(codec: CursorCodec[Any], sent: str) -> None:
    with suppress(InvalidInput):
        # Any other exception would be answered with 500.
        codec.decode(sent)


@pytest.mark.parametrize(("codec", "cursor"), VALID_CURSORS)
def test_cursor_of_another_list_is_refused(codec: CursorCodec[Any], cursor: str) -> None:
    for other in CODECS:
        if other is not codec:
            assert_refused(other, cursor)


@pytest.mark.parametrize(("codec", "cursor"), VALID_CURSORS)
def test_truncated_or_extended_cursor_is_refused(codec: CursorCodec[Any], cursor: str) -> None:
    for changed in (cursor[1:], f"{cursor}=", f" {cursor}", f"{cursor}AA", cursor[: len(cursor) // 2], ""):
        assert_refused(codec, changed)


@pytest.mark.parametrize(
    ("codec", "text"),
    [
        (POSITION_CURSOR, "p2147483648"),
        (POSITION_CURSOR, "p-1"),
        (POSITION_CURSOR, "p１"),
        (PROCESS_CURSOR, f"c{10**17}/{NUMBER}"),
        (PROCESS_CURSOR, f"c-1/{NUMBER}"),
        (PROCESS_CURSOR, f"c1/{NUMBER}\n"),
        (PROCESS_CURSOR, "c1/" + "\0" * 25),
        (FAILURE_CURSOR, f"f1/{NUMBER}/{ID.upper()}"),
        (FAILURE_CURSOR, f"f1/{NUMBER}/{ID}/"),
        (FAILURE_CURSOR, f"f1/{NUMBER}"),
        (BATCH_CURSOR, "b1/" + "0" * 31),
        (BATCH_CURSOR, "b1/" + "F" * 32),
    ],
)
def test_cursor_with_invalid_content_is_refused(codec: CursorCodec[Any], text: str) -> None:
    assert_refused(codec, encode_as_cursor(text))
