"""Splitting a byte stream into parts, with no more memory than the parts need."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator
from contextlib import asynccontextmanager
from io import BytesIO


async def split_into_parts(
    chunks: AsyncIterable[bytes], part_bytes: int
) -> AsyncGenerator[tuple[bytes, bool], None]:
    """Split a stream into parts of ``part_bytes`` bytes. Only the last part may be shorter.

    A part is yielded only when more bytes have arrived or the stream has ended. So the last part is known to be the
    last, and a stream that fails at its end yields no last part. There is always a last part, even an empty one.
    Once the next part is requested, no reference to the previous one is kept.

    Yields:
        The bytes of each part, and whether it is the last one.
    """
    part = BytesIO()
    async with _closing(chunks) as iterator:
        async for chunk in iterator:
            rest = memoryview(chunk)
            while len(rest) > (room := part_bytes - part.tell()):
                part.write(rest[:room])
                rest = rest[room:]
                # Without a copy: the buffer shares its bytes.
                yield part.getvalue(), False
                part = _preallocated_buffer(part_bytes)
            part.write(rest)
    part.truncate()
    yield part.getvalue(), True


@asynccontextmanager
async def _closing(chunks: AsyncIterable[bytes]) -> AsyncIterator[AsyncIterator[bytes]]:
    """Return an iterator that is closed when the block is left, also before the iterator's end."""
    iterator = aiter(chunks)
    try:
        yield iterator
    finally:
        if isinstance(iterator, AsyncGenerator):
            await iterator.aclose()


def _preallocated_buffer(size_bytes: int) -> BytesIO:
    # Allocated at once: a growing buffer leaves its former allocations behind, which doubles the memory needed.
    buffer = BytesIO()
    buffer.seek(size_bytes - 1)
    buffer.write(b"\0")
    buffer.seek(0)
    return buffer
