"""Requests that never end, sent byte by byte over a socket, each up to a bound."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass

from tests.support.lone_api import LoneApi

_UPLOAD = (
    b"POST /webhooks/test HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n"
)


@dataclass(frozen=True)
class Attack:
    """A request's beginning, what is repeated after it, and the status that answers it, if any does."""

    begin: bytes
    repeated: bytes
    status: int | None


ATTACKS = {
    "header lines": Attack(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n", b"x-a: b\r\n" * 8_000, 431),
    "one header value": Attack(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nx-a: ", b"b" * 64_000, 431),
    "one header name": Attack(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n", b"b" * 64_000, 431),
    "url": Attack(b"GET /?", b"b" * 64_000, 414),
    "blank lines": Attack(b"", b"\r\n" * 32_000, 431),
    "trailers": Attack(_UPLOAD + b"2\r\n{}\r\n0\r\n", b"x-a: b\r\n" * 8_000, None),
    "one trailer": Attack(_UPLOAD + b"2\r\n{}\r\n0\r\nx-a: ", b"b" * 64_000, None),
    "chunk extension": Attack(_UPLOAD + b"2;", b"b" * 64_000, None),
    "tiny chunks": Attack(_UPLOAD, b"1\r\n \r\n" * 10_000, None),
    "pipelined requests": Attack(b"", b"GET /health/live HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" * 1_500, None),
}


@dataclass
class Damage:
    """What an attack did.

    Attributes:
        sent_bytes: what was taken of it.
        grown_bytes: how much more memory the process held at worst.
        slowest_seconds: how long a health check took at worst meanwhile.
    """

    sent_bytes: int = 0
    grown_bytes: int = 0
    slowest_seconds: float = 0.0


async def exchange(port: int, sent: bytes, *, seconds: float = 10.0) -> bytes:
    """Send bytes over a connection of their own, and return all that comes back until it is closed."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    received = b""
    try:
        writer.write(sent)
        async with asyncio.timeout(seconds):
            with suppress(ConnectionError):
                while piece := await reader.read(65_536):
                    received += piece
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
    return received


async def is_alive(port: int) -> bool:
    """Ask for a sign of life over a new connection."""
    ask = b"GET /health/live HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
    return (await exchange(port, ask)).startswith(b"HTTP/1.1 200 ")


async def attacked(api: LoneApi, attack: Attack, total_bytes: int) -> Damage:
    """Attack an API, until it closes the connection or so many bytes are sent, and say what that did."""
    damage, before = Damage(), api.memory_bytes()
    over = asyncio.Event()

    async def look() -> None:
        while not over.is_set():
            begun = time.monotonic()
            assert await is_alive(api.port)
            damage.slowest_seconds = max(damage.slowest_seconds, time.monotonic() - begun)
            damage.grown_bytes = max(damage.grown_bytes, api.memory_bytes() - before)
            with suppress(TimeoutError):
                await asyncio.wait_for(over.wait(), 0.02)

    reader, writer = await asyncio.open_connection("127.0.0.1", api.port)

    async def read() -> None:
        with suppress(ConnectionError):
            while await reader.read(65_536):
                pass

    reading = asyncio.create_task(read())
    async with asyncio.TaskGroup() as group:
        group.create_task(look())
        with suppress(ConnectionError):
            writer.write(attack.begin)
            while damage.sent_bytes < total_bytes:
                writer.write(attack.repeated)
                await writer.drain()
                damage.sent_bytes += len(attack.repeated)
        await asyncio.wait([reading], timeout=5)
        over.set()
    reading.cancel()
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()
    return damage
