"""A stream of bytes cut into parts, with no more memory than the parts need."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator
from contextlib import asynccontextmanager
from io import BytesIO


async def in_parts(chunks: AsyncIterable[bytes], part_bytes: int) -> AsyncGenerator[tuple[bytes, bool], None]:
    """Give the bytes in parts of this size, and say of each whether it is the last, which may be shorter.

    A part is given out only when more bytes have come or the chunks have ended, so the last one is known as such,
    and chunks that fail at their end give no last part. There is always one, even of no bytes. Once the next part
    is asked for, nothing here holds on to the one before.
    """
    part = BytesIO()
    async with closing_early(chunks) as iterator:
        async for chunk in iterator:
            rest = memoryview(chunk)
            while len(rest) > (room := part_bytes - part.tell()):
                part.write(rest[:room])
                rest = rest[room:]
                # Gives its bytes away without a copy.
                yield part.getvalue(), False
                part = _with_room_for(part_bytes)
            part.write(rest)
    part.truncate()
    yield part.getvalue(), True


@asynccontextmanager
async def closing_early(chunks: AsyncIterable[bytes]) -> AsyncIterator[AsyncIterator[bytes]]:
    """Iterate, and close what is behind the iteration as soon as the block is left, also before its end."""
    iterator = aiter(chunks)
    try:
        yield iterator
    finally:
        if isinstance(iterator, AsyncGenerator):
            await iterator.aclose()


def _with_room_for(size_bytes: int) -> BytesIO:
    # Taken at once: a buffer that grows leaves its former places behind it, which doubles what is needed.
    buffer = BytesIO()
    buffer.seek(size_bytes - 1)
    buffer.write(b"\0")
    buffer.seek(0)
    return buffer
