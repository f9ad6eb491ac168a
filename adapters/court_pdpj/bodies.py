"""Bodies of the court's answers, read within bounds: what comes in small may be large once it is unpacked."""

from __future__ import annotations

import asyncio
import json
import zlib
from collections.abc import AsyncGenerator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, aclosing

import httpx

from adapters.court_pdpj.bounded_json import LONGEST_TEXT, BoundedParser, NotJson, UnreadableBody

# What every request says that it takes. Whatever else an answer is packed in was not asked for.
ACCEPT_ENCODING = {"Accept-Encoding": "gzip"}
_PIECE_BYTES = 64 * 1024
# Unpacking goes on without waiting for anything, so that others get their turn only if it lets them.
_PIECES_IN_A_ROW = 16
# The window of zlib, with gzip's header or zlib's.
_GZIP_OR_ZLIB = 47
# Packing may add so much to what is packed. More, and it is made to keep us reading without an end.
_PACKING_BYTES = 1024**2
# Of the charsets that an answer's head may state, those that keep ASCII as it is. What else Python knows by name
# may take long to decode, or mean something else by a backslash.
_CHARSETS = {
    "iso-8859-1": "iso-8859-1",
    "latin1": "iso-8859-1",
    "latin-1": "iso-8859-1",
    "iso-8859-15": "iso-8859-15",
    "windows-1252": "cp1252",
    "cp1252": "cp1252",
}
_LONGEST_TRANSCODED = 8 * 1024**2
# Listings are a few hundred KiB. Larger bodies wait for each other.
_LARGE_BYTES = 1024**2
_LARGE_BODY_SECONDS = 60.0
# Of its own: each thread of a pool keeps the memory of the largest body that it has ever parsed.
_PARSING = ThreadPoolExecutor(1, "court-json")


async def body_pieces(response: httpx.Response, stall_seconds: float) -> AsyncGenerator[bytes, None]:
    """Yield an answer's body, unpacked, in pieces of 64 KiB at most.

    Args:
        response: The answer, of which nothing has been read.
        stall_seconds: How long nothing may arrive.

    Raises:
        UnreadableBody: It is packed in a way that was not asked for, cannot be unpacked, or comes to nothing.
        TimeoutError: Nothing has arrived for too long.
        httpx.HTTPError: The connection was lost.
    """
    coding = response.headers.get("content-encoding", "").strip().lower()
    if coding not in ("", "identity", "gzip", "x-gzip", "deflate"):
        raise UnreadableBody("The court's answer is packed in a way that was not asked for.")
    unpacking = zlib.decompressobj(_GZIP_OR_ZLIB) if coding not in ("", "identity") else None
    chunks = response.aiter_raw()
    came = unpacked = 0
    while True:
        async with asyncio.timeout(stall_seconds):
            chunk = await anext(chunks, None)
        if chunk is None:
            break
        if unpacking is None:
            yield chunk
            continue
        came += len(chunk)
        # What follows the end is no part of the body; zlib would keep it.
        if not unpacking.eof:
            async for piece in _unpacked(unpacking, chunk):
                unpacked += len(piece)
                yield piece
        if came > unpacked + _PACKING_BYTES:
            raise UnreadableBody("The court's answer goes on without saying anything.")
    if unpacking is not None and not unpacking.eof:
        raise UnreadableBody("The court's answer breaks off while it is unpacked.")


async def _unpacked(unpacking: zlib._Decompress, chunk: bytes) -> AsyncGenerator[bytes, None]:
    pieces = 0
    more = True
    while more:
        try:
            piece = unpacking.decompress(chunk, _PIECE_BYTES)
        except zlib.error:
            raise UnreadableBody("The court's answer cannot be unpacked.") from None
        chunk = unpacking.unconsumed_tail
        # A full piece may have left something behind although all of the chunk is taken.
        more = not unpacking.eof and (bool(chunk) or len(piece) == _PIECE_BYTES)
        pieces += 1
        if pieces % _PIECES_IN_A_ROW == 0:
            await asyncio.sleep(0)
        if piece:
            yield piece


async def beginning(response: httpx.Response, max_bytes: int, stall_seconds: float) -> bytes:
    """Return at most so many bytes of an answer's body. Raises as `body_pieces` does."""
    body = bytearray()
    async with aclosing(body_pieces(response, stall_seconds)) as pieces:
        async for piece in pieces:
            body += piece
            if len(body) >= max_bytes:
                break
    return bytes(body[:max_bytes])


class JsonReader:
    """Reads JSON from the bodies of answers, large ones one at a time, so that together they need no more memory.

    Args:
        max_bytes: How many bytes a body may have once it is unpacked.
        stall_seconds: How long nothing may arrive.
    """

    def __init__(self, max_bytes: int, stall_seconds: float) -> None:
        self._max_bytes = max_bytes
        self._stall_seconds = stall_seconds
        self._large_bodies = asyncio.Semaphore(1)

    async def read(self, response: httpx.Response) -> object:
        """Return the JSON in an answer's body.

        Raises:
            UnreadableBody: It has more than ``max_bytes`` once unpacked; or as `parse_json` and `body_pieces`.
            NotJson: It is no JSON.
            TimeoutError: Nothing has arrived for too long, or a large body has not arrived as a whole in time.
            httpx.HTTPError: The connection was lost.
        """
        body = bytearray()
        try:
            async with aclosing(body_pieces(response, self._stall_seconds)) as pieces, AsyncExitStack() as holding:
                is_large = False
                async for piece in pieces:
                    body += piece
                    if len(body) > self._max_bytes:
                        raise UnreadableBody(f"The court's answer is larger than {self._max_bytes} bytes.")
                    if not is_large and len(body) > _LARGE_BYTES:
                        is_large = True
                        await holding.enter_async_context(self._large_bodies)
                        # Others wait for this one: it must not take as long as its sender likes.
                        await holding.enter_async_context(asyncio.timeout(_LARGE_BODY_SECONDS))
                return await parse_json(body, charset=response.charset_encoding)
        finally:
            # As in `parse_json`.
            del body


async def parse_json(
    body: bytes | bytearray, *, charset: str | None = None, longest_text: int = LONGEST_TEXT
) -> object:
    """Return what JSON says, read in a thread, within the bounds of `BoundedParser`.

    Args:
        body: The JSON.
        charset: What the answer's head says of it.
        longest_text: How many bytes one text may have.

    Raises:
        UnreadableBody: It is beyond one of the bounds.
        NotJson: It is no JSON.
    """
    parsing = asyncio.get_running_loop().run_in_executor(_PARSING, _parse, body, charset, longest_text)
    # An exception on its way keeps this frame, and would keep the body with it.
    del body
    outcome = await parsing
    if isinstance(outcome, UnreadableBody | NotJson):
        raise outcome
    return outcome


def _parse(body: bytes | bytearray, charset: str | None, longest_text: int) -> object:
    """Return what JSON says, or the error: anew, since the trace of the first keeps body and values in memory."""
    try:
        return _parse_encoded(body, charset, longest_text)
    except (UnreadableBody, NotJson) as error:
        return type(error)(*error.args)


def _parse_encoded(body: bytes | bytearray, charset: str | None, longest_text: int) -> object:
    encoding = _CHARSETS.get((charset or "").lower())
    if encoding is None:
        encoding = json.detect_encoding(body[:4])
        if not encoding.startswith("utf-8"):
            if len(body) > _LONGEST_TRANSCODED:
                raise UnreadableBody(
                    f"The court's answer is larger than {_LONGEST_TRANSCODED} bytes of {encoding}."
                )
            body = body.decode(encoding, "replace").encode("utf-8", "replace")
        encoding = "utf-8"
    return BoundedParser(body, encoding, longest_text).parse()
