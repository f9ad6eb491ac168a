"""Splitting a stream of bytes into parts."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.chunking import split_into_parts


async def stream_chunks(chunks: Iterable[bytes]) -> AsyncIterator[bytes]:
    """Yield chunks."""
    for chunk in chunks:
        yield chunk


@given(st.lists(st.binary(max_size=30), max_size=12), st.integers(1, 20))
async def test_parts_are_full_except_the_last_and_keep_all_bytes(chunks: list[bytes], part_bytes: int) -> None:
    parts = [part async for part in split_into_parts(stream_chunks(chunks), part_bytes)]
    assert b"".join(body for body, _ in parts) == b"".join(chunks)
    assert [last for _, last in parts] == [False] * (len(parts) - 1) + [True]
    assert all(len(body) == part_bytes for body, last in parts if not last)
    assert len(parts[-1][0]) <= part_bytes
    assert len(parts) == 1 or parts[-1][0]


async def test_stream_that_fails_at_its_end_has_no_last_part() -> None:
    async def stream_and_fail() -> AsyncIterator[bytes]:
        yield b"12345"
        raise ConnectionError

    parts = split_into_parts(stream_and_fail(), 4)
    assert await anext(parts) == (b"1234", False)
    with pytest.raises(ConnectionError):
        await anext(parts)
