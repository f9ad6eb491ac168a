"""Connections end when they do not get on, and the way for health checks stays open."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from api.server.connection_table import HttpLimits
from api.server.http_limits import limited_http
from tests.support.conditions import eventually
from tests.support.http_attacks import answers_health_check, send_and_read_all
from tests.support.ports import bound_socket

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]
LIVE = b"GET /health/live HTTP/1.1\r\nHost: a\r\n\r\n"
UPLOAD = b"POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n"
STREAM = b"GET /stream HTTP/1.1\r\nHost: a\r\n\r\n"
LARGE = b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n"
LARGE_BYTES = 20_000_000
QUICK = HttpLimits(request_seconds=0.5, answer_seconds=0.5)


async def live(_: Request) -> Response:
    return PlainTextResponse("ok")


async def upload(request: Request) -> Response:
    return JSONResponse({"size": len(await request.body()), "headers": sorted(request.headers.keys())})


async def large(_: Request) -> Response:
    return PlainTextResponse("x" * LARGE_BYTES)


async def stream(_: Request) -> Response:
    async def told() -> AsyncIterator[bytes]:
        while True:
            yield b": still here\n\n"
            await asyncio.sleep(0.1)

    return StreamingResponse(told(), media_type="text/event-stream")


@dataclass(frozen=True)
class Serving:
    """A server that runs here."""

    port: int
    server: uvicorn.Server

    async def has_started(self) -> bool:
        """Whether it takes connections."""
        return self.server.started

    async def has_no_connections(self) -> bool:
        """Whether all are closed."""
        return not self.server.server_state.connections


@asynccontextmanager
async def serving(limits: HttpLimits) -> AsyncIterator[Serving]:
    """Serve with limits."""
    routes = [
        Route("/health/live", live),
        Route("/upload", upload, methods=["POST"]),
        Route("/large", large),
        Route("/stream", stream),
    ]
    config = uvicorn.Config(
        Starlette(routes=routes),
        http=limited_http(limits),
        ws="none",
        log_config=None,
        lifespan="off",
        timeout_keep_alive=75,
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    with bound_socket() as listener:
        listener.listen(256)
        running = asyncio.create_task(server._serve([listener]))
        serving = Serving(listener.getsockname()[1], server)
        await eventually(serving.has_started, "the server")
        yield serving
        server.should_exit = True
        await running


@asynccontextmanager
async def connecting(port: int, sent: bytes = b"") -> AsyncIterator[Connection]:
    """Open a connection, and send something."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(sent)
        await writer.drain()
        yield reader, writer
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def seconds_until_closed(connection: Connection, *, drip: bytes = b"") -> float:
    """Return how long the server keeps a connection, to which a byte is sent again and again."""
    reader, writer = connection
    begun = time.monotonic()

    async def send() -> None:
        with suppress(ConnectionError):
            while drip:
                writer.write(drip)
                await writer.drain()
                await asyncio.sleep(0.1)

    sending = asyncio.create_task(send())
    async with asyncio.timeout(20):
        with suppress(ConnectionError):
            while await reader.read(65_536):
                pass
    sending.cancel()
    return time.monotonic() - begun


async def test_a_request_that_does_not_come_to_its_end_is_ended() -> None:
    cases = [
        (b"", b""),
        (b"\r\n", b""),
        (b"GET /health/li", b""),
        (b"GET /health/live HTTP/1.1\r\nx-a: ", b"b"),
        (UPLOAD, b""),
        (UPLOAD, b"x"),
        # A second request counts as the first does, although its connection is known.
        (LIVE + b"GET /health/li", b""),
        # Answered at once, and never ended.
        (b"POST /nowhere HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n", b"x"),
    ]
    async with serving(QUICK) as server:

        async def kept(sent: bytes, drip: bytes) -> float:
            async with connecting(server.port, sent) as connection:
                return await seconds_until_closed(connection, drip=drip)

        seconds = await asyncio.gather(*(kept(*case) for case in cases))
    assert [each for each in seconds if not 0.4 < each < 5] == []


async def test_a_connection_between_two_requests_is_kept() -> None:
    async with serving(QUICK) as server, connecting(server.port, LIVE) as (reader, writer):
        assert (await reader.readuntil(b"ok")).startswith(b"HTTP/1.1 200 ")
        await others_are_ended(server.port)
        writer.write(LIVE)
        assert (await reader.readuntil(b"ok")).startswith(b"HTTP/1.1 200 ")


async def test_an_answer_may_take_as_long_as_it_likes() -> None:
    async with serving(QUICK) as server, connecting(server.port, STREAM) as (reader, _):
        for _ in range(2):
            await others_are_ended(server.port)
            assert await reader.readuntil(b"still here\n\n")
        assert not reader.at_eof()


async def test_a_client_that_takes_nothing_of_its_answer_is_left() -> None:
    async with serving(QUICK) as server, connecting(server.port, LARGE) as (reader, _):
        assert await reader.readuntil(b"\r\n\r\n")
        await eventually(server.has_no_connections, "the end of the connection")
        with suppress(ConnectionError):
            size = 0
            while piece := await reader.read(1_000_000):
                size += len(piece)
        assert size < LARGE_BYTES


async def others_are_ended(port: int) -> None:
    """Wait until a connection that sends nothing has come and been ended."""
    async with connecting(port) as connection:
        await seconds_until_closed(connection)


@pytest.mark.parametrize("sent", [b"", b"GET /health/li", LIVE])
async def test_those_that_wait_without_a_request_make_room_the_oldest_first(sent: bytes) -> None:
    async with serving(HttpLimits(connections=20)) as server:
        async with _crowd(server.port, 30, sent) as crowd:
            closed = await _closed(crowd, 10)
            assert closed == list(range(10))
            assert await answers_health_check(server.port)
        assert await answers_health_check(server.port)


async def test_unfinished_requests_hold_so_much_together_and_no_more() -> None:
    half = b"GET /health/live HTTP/1.1\r\nx-a: " + b"b" * 20_000
    async with serving(HttpLimits(held_bytes=200_000)) as server, _crowd(server.port, 30, half) as crowd:
        closed = await _closed(crowd, 21)
        assert closed == list(range(21))
        assert await answers_health_check(server.port)


async def test_those_that_are_served_stay_and_health_is_told_beside_them() -> None:
    async with serving(HttpLimits(connections=20)) as server, _crowd(server.port, 20, STREAM) as crowd:
        for reader, _ in crowd:
            await reader.readuntil(b"still here\n\n")
        for _ in range(40):
            assert await answers_health_check(server.port)
        refused = await send_and_read_all(server.port, STREAM)
        assert refused.startswith(b"HTTP/1.1 503 ")
        assert b"retry-after: 5" in refused
        # Nor do they lose their place to a crowd that only knocks.
        async with _crowd(server.port, 60, b""):
            for reader, _ in crowd:
                await reader.readuntil(b"still here\n\n")
            assert await answers_health_check(server.port)


async def test_a_few_requests_may_wait_for_each_other_on_a_connection() -> None:
    async with serving(HttpLimits()) as server:
        last = LIVE.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
        assert (await send_and_read_all(server.port, LIVE * 5 + last)).count(b"HTTP/1.1 200 ") == 6
        assert (await send_and_read_all(server.port, LIVE * 500)).count(b"HTTP/1.1 200 ") < 500


async def test_what_follows_a_body_becomes_no_header() -> None:
    sent = (
        b"POST /upload HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
        b"2;extension=1\r\n{}\r\n0\r\nAuthorization: Bearer late\r\n\r\n"
    )
    async with serving(HttpLimits()) as server:
        answer = await send_and_read_all(server.port, sent)

    assert b'"size":2' in answer
    assert b"authorization" not in answer


def _crowd(port: int, size: int, sent: bytes) -> AbstractAsyncContextManager[list[Connection]]:
    @asynccontextmanager
    async def opened() -> AsyncIterator[list[Connection]]:
        crowd = []
        try:
            for _ in range(size):
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                crowd.append((reader, writer))
                writer.write(sent)
                with suppress(ConnectionError):
                    await writer.drain()
                if sent == LIVE:
                    with suppress(ConnectionError, asyncio.IncompleteReadError):
                        await reader.readuntil(b"ok")
            yield crowd
        finally:
            for _, writer in crowd:
                writer.close()
            for _, writer in crowd:
                with suppress(ConnectionError):
                    await writer.wait_closed()

    return opened()


async def _closed(crowd: list[Connection], number: int) -> list[int]:
    """Wait until so many connections are closed; gives their places."""

    async def enough() -> list[int] | None:
        places = [place for place, (reader, _) in enumerate(crowd) if reader.at_eof() or reader.exception()]
        return places if len(places) >= number else None

    return await eventually(enough, f"{number} closed connections")
