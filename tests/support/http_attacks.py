"""HTTP requests that never end, sent over a raw socket up to a number of bytes."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass

from tests.support.api_service import ApiService

_UPLOAD = (
    b"POST /webhooks/test HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n"
)


@dataclass(frozen=True)
class EndlessRequest:
    """The beginning of a request, what is repeated after it, and the status of the answer, if any."""

    begin: bytes
    repeated: bytes
    status: int | None


ENDLESS_REQUESTS = {
    "header lines": EndlessRequest(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n", b"x-a: b\r\n" * 8_000, 431),
    "one header value": EndlessRequest(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nx-a: ", b"b" * 64_000, 431),
    "one header name": EndlessRequest(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n", b"b" * 64_000, 431),
    "url": EndlessRequest(b"GET /?", b"b" * 64_000, 414),
    "blank lines": EndlessRequest(b"", b"\r\n" * 32_000, 431),
    "trailers": EndlessRequest(_UPLOAD + b"2\r\n{}\r\n0\r\n", b"x-a: b\r\n" * 8_000, None),
    "one trailer": EndlessRequest(_UPLOAD + b"2\r\n{}\r\n0\r\nx-a: ", b"b" * 64_000, None),
    "chunk extension": EndlessRequest(_UPLOAD + b"2;", b"b" * 64_000, None),
    "tiny chunks": EndlessRequest(_UPLOAD, b"1\r\n \r\n" * 10_000, None),
    "pipelined requests": EndlessRequest(
        b"", b"GET /health/live HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" * 1_500, None
    ),
}


@dataclass
class AttackImpact:
    """What a request that never ends did to the API.

    Attributes:
        sent_bytes: how many bytes the API accepted.
        grown_bytes: how much the API's memory grew at most.
        slowest_seconds: how long a health check took at most at the same time.
    """

    sent_bytes: int = 0
    grown_bytes: int = 0
    slowest_seconds: float = 0.0


async def send_and_read_all(port: int, sent: bytes, *, seconds: float = 30.0) -> bytes:
    """Send bytes over a new connection, and return everything that comes back until it is closed."""
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


async def answers_health_check(port: int) -> bool:
    """Return whether the API answers a health check over a new connection."""
    check = b"GET /health/live HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
    return (await send_and_read_all(port, check)).startswith(b"HTTP/1.1 200 ")


async def run_attack(api: ApiService, attack: EndlessRequest, total_bytes: int) -> AttackImpact:
    """Send a request that never ends, until the API closes the connection or so many bytes are sent."""
    impact, before = AttackImpact(), api.memory_bytes()
    over = asyncio.Event()

    async def measure() -> None:
        while not over.is_set():
            begun = time.monotonic()
            assert await answers_health_check(api.port)
            impact.slowest_seconds = max(impact.slowest_seconds, time.monotonic() - begun)
            impact.grown_bytes = max(impact.grown_bytes, api.memory_bytes() - before)
            with suppress(TimeoutError):
                await asyncio.wait_for(over.wait(), 0.02)

    reader, writer = await asyncio.open_connection("127.0.0.1", api.port)

    async def read_all() -> None:
        with suppress(ConnectionError):
            while await reader.read(65_536):
                pass

    reading = asyncio.create_task(read_all())
    async with asyncio.TaskGroup() as group:
        group.create_task(measure())
        with suppress(ConnectionError):
            writer.write(attack.begin)
            while impact.sent_bytes < total_bytes:
                writer.write(attack.repeated)
                await writer.drain()
                impact.sent_bytes += len(attack.repeated)
        await asyncio.wait([reading], timeout=5)
        over.set()
    reading.cancel()
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()
    return impact
