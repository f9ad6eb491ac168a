"""Bodies of the court's answers, read within bounds: what comes in small may be large once it is unpacked."""

from __future__ import annotations

import asyncio
import json
import zlib
from collections.abc import AsyncGenerator
from contextlib import aclosing

import httpx

# What every request says that it takes. Whatever else an answer is packed in was not asked for.
ACCEPT_ENCODING = {"Accept-Encoding": "gzip"}
_PIECE_BYTES = 64 * 1024
# Unpacking goes on without waiting for anything, so that others get their turn only if it lets them.
_PIECES_IN_A_ROW = 16
# The window of zlib, with gzip's header or zlib's.
_GZIP_OR_ZLIB = 47
# A process of ten thousand documents has about a quarter of a million.
_MOST_VALUES = 500_000
_LONGEST_INTEGER = 400


class UnreadableBody(Exception):
    """A body that is not read any further. The text says why, in the words of a failure's answer."""


class NotJson(Exception):
    """A body that is no JSON."""


async def body_pieces(response: httpx.Response, stall_seconds: float) -> AsyncGenerator[bytes, None]:
    """Yield an answer's body, unpacked, in pieces of 64 KiB at most.

    Args:
        response: The answer, of which nothing has been read.
        stall_seconds: How long nothing may arrive.

    Raises:
        UnreadableBody: It is packed in a way that was not asked for, or cannot be unpacked.
        TimeoutError: Nothing has arrived for too long.
        httpx.HTTPError: The connection was lost.
    """
    coding = response.headers.get("content-encoding", "").strip().lower()
    if coding not in ("", "identity", "gzip", "x-gzip", "deflate"):
        raise UnreadableBody("The court's answer is packed in a way that was not asked for.")
    unpacking = zlib.decompressobj(_GZIP_OR_ZLIB) if coding not in ("", "identity") else None
    chunks = response.aiter_raw()
    while True:
        async with asyncio.timeout(stall_seconds):
            chunk = await anext(chunks, None)
        if chunk is None:
            break
        if unpacking is None:
            yield chunk
            continue
        async for piece in _unpacked(unpacking, chunk):
            yield piece
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


async def read_json(response: httpx.Response, max_bytes: int, stall_seconds: float) -> object:
    """Return the JSON in an answer's body.

    Raises:
        UnreadableBody: It has more than ``max_bytes`` once it is unpacked; or as `parse_json` and `body_pieces`.
        NotJson: It is no JSON.
        TimeoutError: Nothing has arrived for too long.
        httpx.HTTPError: The connection was lost.
    """
    body = await beginning(response, max_bytes + 1, stall_seconds)
    if len(body) > max_bytes:
        raise UnreadableBody(f"The court's answer is larger than {max_bytes} bytes.")
    return await parse_json(body, charset=response.charset_encoding)


async def parse_json(body: bytes, *, charset: str | None = None) -> object:
    """Return what JSON says, read in a thread.

    Lenient where the courts' systems are: raw control characters in texts, NUL behind the end, integers of any
    length (those of more than 400 digits are None), a charset that the answer's head states.

    Raises:
        UnreadableBody: It holds more values, or nests deeper, than a process can.
        NotJson: It is no JSON.
    """
    # What is parsed in one go stops everything else, also from a thread, so it is bounded by a glance before.
    if body.count(b",") + body.count(b"{") + body.count(b"[") > _MOST_VALUES:
        raise UnreadableBody(f"The court's answer holds more than {_MOST_VALUES} values.")
    return await asyncio.to_thread(_parse, body, charset)


def _parse(body: bytes, charset: str | None) -> object:
    try:
        text = _decoded(body, charset).rstrip("\0 \t\r\n")
        return json.loads(text, strict=False, parse_int=_integer)
    except RecursionError:
        raise UnreadableBody("The court's answer nests too deeply.") from None
    except ValueError:
        raise NotJson from None


def _decoded(body: bytes, charset: str | None) -> str:
    if charset and charset.lower() not in ("utf-8", "utf8"):
        try:
            return body.decode(charset)
        except (LookupError, UnicodeDecodeError):
            pass  # The head is wrong about its body: what JSON always is comes next.
    return body.decode(json.detect_encoding(body), errors="replace")


def _integer(digits: str) -> int | None:
    return int(digits) if len(digits) <= _LONGEST_INTEGER else None
