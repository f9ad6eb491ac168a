"""Response bodies of the court, read within bounds: a small compressed body may be large once decompressed."""

from __future__ import annotations

import asyncio
import json
import zlib
from collections.abc import AsyncGenerator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, aclosing

import httpx2

from adapters.court_pdpj.bounded_json import MAX_STRING_BYTES, BoundedParser, InvalidJson, UnreadableBody

# The only encoding that requests accept. A response in another one was not asked for.
ACCEPT_ENCODING = {"Accept-Encoding": "gzip"}
_CHUNK_BYTES = 64 * 1024
# Decompression never waits for I/O, so it must yield to the event loop by itself.
_CHUNKS_BETWEEN_YIELDS = 16
# zlib's `wbits` for its largest window, with gzip's header or zlib's.
_GZIP_OR_ZLIB_WBITS = 47
# How many bytes compression may add. A body that adds more is made to keep us reading for ever.
_MAX_COMPRESSION_OVERHEAD_BYTES = 1024**2
# The charsets of a Content-Type that keep ASCII as it is. Others that Python knows by name may take long to decode,
# or give the backslash another meaning.
_ASCII_COMPATIBLE_CHARSETS = {
    "iso-8859-1": "iso-8859-1",
    "latin1": "iso-8859-1",
    "latin-1": "iso-8859-1",
    "iso-8859-15": "iso-8859-15",
    "windows-1252": "cp1252",
    "cp1252": "cp1252",
}
_MAX_TRANSCODED_BYTES = 8 * 1024**2
# Listings are a few hundred KiB. Larger bodies wait for each other.
_LARGE_BODY_BYTES = 1024**2
_LARGE_BODY_SECONDS = 60.0
# A single thread of our own: each thread of a pool keeps the memory of the largest body that it has ever parsed.
_JSON_EXECUTOR = ThreadPoolExecutor(1, "court-json")


async def iter_body(response: httpx2.Response, stall_seconds: float) -> AsyncGenerator[bytes, None]:
    """Yield the decompressed body of a response. Chunks that had to be decompressed have 64 KiB at most.

    Args:
        response: The response, of which nothing has been read.
        stall_seconds: How long nothing may arrive.

    Raises:
        UnreadableBody: The body has an encoding that was not asked for, cannot be decompressed, or decompresses to
            almost nothing.
        TimeoutError: Nothing has arrived for too long.
        httpx2.HTTPError: The connection was lost.
    """
    encoding = response.headers.get("content-encoding", "").strip().lower()
    if encoding not in ("", "identity", "gzip", "x-gzip", "deflate"):
        raise UnreadableBody("The court's answer is compressed in a way that was not asked for.")
    decompressor = zlib.decompressobj(_GZIP_OR_ZLIB_WBITS) if encoding not in ("", "identity") else None
    bytes_in = bytes_out = 0
    async with aclosing(response.aiter_raw()) as raw_chunks:
        while True:
            async with asyncio.timeout(stall_seconds):
                raw = await anext(raw_chunks, None)
            if raw is None:
                break
            if decompressor is None:
                yield raw
                continue
            bytes_in += len(raw)
            # Bytes behind the end do not belong to the body; zlib would keep them in memory.
            if not decompressor.eof:
                async for chunk in _decompress(decompressor, raw):
                    bytes_out += len(chunk)
                    yield chunk
            if bytes_in > bytes_out + _MAX_COMPRESSION_OVERHEAD_BYTES:
                raise UnreadableBody("The court's answer goes on without any content.")
    if decompressor is not None and not decompressor.eof:
        raise UnreadableBody("The court's answer ends in the middle of its compressed data.")


async def _decompress(decompressor: zlib._Decompress, raw: bytes) -> AsyncGenerator[bytes, None]:
    chunks = 0
    more = True
    while more:
        try:
            chunk = decompressor.decompress(raw, _CHUNK_BYTES)
        except zlib.error:
            raise UnreadableBody("The court's answer cannot be decompressed.") from None
        raw = decompressor.unconsumed_tail
        # After a full chunk, the decompressor may hold more output although it has consumed all input.
        more = not decompressor.eof and (bool(raw) or len(chunk) == _CHUNK_BYTES)
        chunks += 1
        if chunks % _CHUNKS_BETWEEN_YIELDS == 0:
            await asyncio.sleep(0)
        if chunk:
            yield chunk


async def read_beginning(response: httpx2.Response, max_bytes: int, stall_seconds: float) -> bytes:
    """Return the first bytes of a response body, `max_bytes` at most. Raises as `iter_body` does."""
    body = bytearray()
    async with aclosing(iter_body(response, stall_seconds)) as chunks:
        async for chunk in chunks:
            body += chunk
            if len(body) >= max_bytes:
                break
    return bytes(body[:max_bytes])


class JsonReader:
    """Reads JSON from response bodies. Large ones are read one at a time, which bounds their memory together.

    Args:
        max_bytes: How many bytes a body may have once it is decompressed.
        stall_seconds: How long nothing may arrive.
    """

    def __init__(self, max_bytes: int, stall_seconds: float) -> None:
        self._max_bytes = max_bytes
        self._stall_seconds = stall_seconds
        self._large_bodies = asyncio.Semaphore(1)

    async def read(self, response: httpx2.Response) -> object:
        """Return the parsed JSON of a response body.

        Raises:
            UnreadableBody: It has more than ``max_bytes`` once decompressed; or as `parse_json` and `iter_body`.
            InvalidJson: It is not JSON.
            TimeoutError: Nothing has arrived for too long, or a large body has not arrived as a whole in time.
            httpx2.HTTPError: The connection was lost.
        """
        body = bytearray()
        try:
            async with aclosing(iter_body(response, self._stall_seconds)) as chunks, AsyncExitStack() as stack:
                is_large = False
                async for chunk in chunks:
                    body += chunk
                    if len(body) > self._max_bytes:
                        raise UnreadableBody(f"The court's answer is larger than {self._max_bytes} bytes.")
                    if not is_large and len(body) > _LARGE_BODY_BYTES:
                        is_large = True
                        await stack.enter_async_context(self._large_bodies)
                        # Others wait for this one, so a slow sender must not hold the semaphore for ever.
                        await stack.enter_async_context(asyncio.timeout(_LARGE_BODY_SECONDS))
                return await parse_json(body, charset=response.charset_encoding)
        finally:
            # See `parse_json`: an exception keeps this frame, and with it the body.
            del body


async def parse_json(
    body: bytes | bytearray, *, charset: str | None = None, max_string_bytes: int = MAX_STRING_BYTES
) -> object:
    """Parse JSON in a thread, within the bounds of `BoundedParser`.

    Args:
        body: The JSON.
        charset: The charset that the response's Content-Type states.
        max_string_bytes: How many bytes one string may have.

    Raises:
        UnreadableBody: It exceeds one of the bounds.
        InvalidJson: It is not JSON.
    """
    parsing = asyncio.get_running_loop().run_in_executor(_JSON_EXECUTOR, _parse, body, charset, max_string_bytes)
    # An exception that propagates keeps this frame, and would keep the body with it.
    del body
    outcome = await parsing
    if isinstance(outcome, UnreadableBody | InvalidJson):
        raise outcome
    return outcome


def _parse(body: bytes | bytearray, charset: str | None, max_string_bytes: int) -> object:
    """Return the parsed JSON, or a copy of the error: the original's traceback keeps body and values in memory."""
    try:
        return _parse_encoded(body, charset, max_string_bytes)
    except (UnreadableBody, InvalidJson) as error:
        return type(error)(*error.args)


def _parse_encoded(body: bytes | bytearray, charset: str | None, max_string_bytes: int) -> object:
    encoding = _ASCII_COMPATIBLE_CHARSETS.get((charset or "").lower())
    if encoding is None:
        encoding = json.detect_encoding(body[:4])
        if not encoding.startswith("utf-8"):
            if len(body) > _MAX_TRANSCODED_BYTES:
                raise UnreadableBody(
                    f"The court's answer is larger than {_MAX_TRANSCODED_BYTES} bytes of {encoding}."
                )
            body = body.decode(encoding, "replace").encode("utf-8", "replace")
        encoding = "utf-8"
    return BoundedParser(body, encoding, max_string_bytes).parse()
