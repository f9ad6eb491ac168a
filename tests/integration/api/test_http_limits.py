"""Connection limits of the HTTP server: stalled connections are closed, and health checks stay reachable."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass

import pytest
import structlog
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from structlog.testing import capture_logs

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
SHORT_TIMEOUTS = HttpLimits(request_seconds=0.5, answer_seconds=0.5)


async def live(_: Request) -> Response:
    return PlainTextResponse("ok")


async def upload(request: Request) -> Response:
    return JSONResponse({"size": len(await request.body()), "headers": sorted(request.headers.keys())})


async def large(_: Request) -> Response:
    return PlainTextResponse("x" * LARGE_BYTES)


async def stream(_: Request) -> Response:
    async def send_comments() -> AsyncIterator[bytes]:
        while True:
            yield b": still here\n\n"
            await asyncio.sleep(0.1)

    return StreamingResponse(send_comments(), media_type="text/event-stream")


@dataclass(frozen=True)
class RunningServer:
    """A running server."""

    port: int
    server: uvicorn.Server

    async def has_started(self) -> bool:
        """Return whether the server accepts connections."""
        return self.server.started

    async def has_no_connections(self) -> bool:
        """Return whether all connections are closed."""
        return not self.server.server_state.connections


@asynccontextmanager
async def run_server(limits: HttpLimits) -> AsyncIterator[RunningServer]:
    """Run a server with these limits."""
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
        running_server = RunningServer(listener.getsockname()[1], server)
        await eventually(running_server.has_started, "the server")
        yield running_server
        server.should_exit = True
        await running


@asynccontextmanager
async def open_connection(port: int, sent: bytes = b"") -> AsyncIterator[Connection]:
    """Open a connection and send these bytes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(sent)
        await writer.drain()
        yield reader, writer
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def read_until_closed(connection: Connection, *, drip: bytes = b"") -> None:
    """Read until the server closes a connection, while `drip` is sent every 0.1 s."""
    reader, writer = connection

    async def send_drip() -> None:
        with suppress(ConnectionError):
            while drip:
                writer.write(drip)
                await writer.drain()
                await asyncio.sleep(0.1)

    sending = asyncio.create_task(send_drip())
    async with asyncio.timeout(20):
        with suppress(ConnectionError):
            while await reader.read(65_536):
                pass
    sending.cancel()


async def test_unfinished_request_is_closed_after_the_request_timeout() -> None:
    cases = [
        (b"", b""),
        (b"\r\n", b""),
        (b"GET /health/li", b""),
        (b"GET /health/live HTTP/1.1\r\nx-a: ", b"b"),
        (UPLOAD, b""),
        (UPLOAD, b"x"),
        # The second request of a connection has the same timeout as the first.
        (LIVE + b"GET /health/li", b""),
        # Answered at once, but its body never ends.
        (b"POST /nowhere HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n", b"x"),
    ]
    async with run_server(SHORT_TIMEOUTS) as server:

        async def measure(sent: bytes, drip: bytes) -> float:
            # From before the server knows of the connection: its own clock cannot have begun earlier.
            began = time.monotonic()
            async with open_connection(server.port, sent) as connection:
                await read_until_closed(connection, drip=drip)
            return time.monotonic() - began

        durations = await asyncio.gather(*(measure(*case) for case in cases))
    assert [duration for duration in durations if not 0.4 < duration < 5] == []


async def test_idle_connection_between_two_requests_is_kept() -> None:
    async with run_server(SHORT_TIMEOUTS) as server, open_connection(server.port, LIVE) as (reader, writer):
        assert (await reader.readuntil(b"ok")).startswith(b"HTTP/1.1 200 ")
        await wait_until_idle_connection_is_closed(server.port)
        writer.write(LIVE)
        assert (await reader.readuntil(b"ok")).startswith(b"HTTP/1.1 200 ")


async def test_streamed_answer_has_no_timeout() -> None:
    async with run_server(SHORT_TIMEOUTS) as server, open_connection(server.port, STREAM) as (reader, _):
        for _ in range(2):
            await wait_until_idle_connection_is_closed(server.port)
            assert await reader.readuntil(b"still here\n\n")
        assert not reader.at_eof()


async def test_client_that_does_not_read_its_answer_is_disconnected() -> None:
    async with run_server(SHORT_TIMEOUTS) as server, open_connection(server.port, LARGE) as (reader, _):
        assert await reader.readuntil(b"\r\n\r\n")
        await eventually(server.has_no_connections, "the end of the connection")
        with suppress(ConnectionError):
            size = 0
            while chunk := await reader.read(1_000_000):
                size += len(chunk)
        assert size < LARGE_BYTES


async def wait_until_idle_connection_is_closed(port: int) -> None:
    """Open a connection that sends nothing, and wait until the server closes it."""
    async with open_connection(port) as connection:
        await read_until_closed(connection)


@pytest.mark.parametrize("sent", [b"", b"GET /health/li", LIVE])
async def test_connections_without_a_request_are_evicted_oldest_first(sent: bytes) -> None:
    async with run_server(HttpLimits(connections=20)) as server:
        async with open_connections(server.port, 30, sent) as connections:
            closed = await wait_until_closed(connections, 10)
            assert closed == list(range(10))
            assert await answers_health_check(server.port)
        assert await answers_health_check(server.port)


async def test_unfinished_requests_share_a_memory_limit() -> None:
    half = b"GET /health/live HTTP/1.1\r\nx-a: " + b"b" * 20_000
    async with (
        run_server(HttpLimits(held_bytes=200_000)) as server,
        open_connections(server.port, 30, half) as connections,
    ):
        closed = await wait_until_closed(connections, 21)
        assert closed == list(range(21))
        assert await answers_health_check(server.port)


async def test_served_connections_are_kept_and_health_checks_are_answered_beside_them() -> None:
    async with (
        run_server(HttpLimits(connections=20)) as server,
        open_connections(server.port, 20, STREAM) as connections,
    ):
        for reader, _ in connections:
            await reader.readuntil(b"still here\n\n")
        for _ in range(40):
            assert await answers_health_check(server.port)
        refused = await send_and_read_all(server.port, STREAM)
        assert refused.startswith(b"HTTP/1.1 503 ")
        assert b"retry-after: 5" in refused
        # Connections that send nothing do not evict them either.
        async with open_connections(server.port, 60, b""):
            for reader, _ in connections:
                await reader.readuntil(b"still here\n\n")
            assert await answers_health_check(server.port)


@pytest.mark.parametrize(
    ("sent", "status", "method"),
    [
        (b"nonsense\r\n\r\n", 400, None),
        (b"GET / HTTP/1.1\r\nX-Request-Id: refused-1\r\n" + b"x-a: b\r\n" * 200, 431, "GET"),
        (b"GET /" + b"a" * 9_000, 414, "GET"),
        (
            UPLOAD.partition(b"Content-Length")[0]
            + b"X-Request-Id: refused-1\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n",
            400,
            "POST",
        ),
    ],
)
async def test_what_is_refused_before_the_application_has_an_id_and_a_line(
    sent: bytes, status: int, method: str | None
) -> None:
    with capture_logs() as lines:
        async with run_server(HttpLimits()) as server:
            answer = await send_and_read_all(server.port, sent)
    assert answer.startswith(b"HTTP/1.1 %d " % status)
    [line] = [line for line in lines if line["event"] == "request"]
    assert (line["status"], line.get("method"), line["route"]) == (status, method, "(none)")
    assert b"\r\nx-request-id: %s\r\n" % line["request_id"].encode() in answer
    assert (line["request_id"] == "refused-1") is (b"refused-1" in sent)


async def test_what_is_refused_for_too_many_connections_has_an_id_and_a_line() -> None:
    with capture_logs(processors=[structlog.contextvars.merge_contextvars]) as lines:
        async with (
            run_server(HttpLimits(connections=1)) as server,
            open_connection(server.port, STREAM) as (reader, _),
        ):
            await reader.readuntil(b"still here\n\n")
            refused = await send_and_read_all(
                server.port, STREAM.replace(b"\r\n\r\n", b"\r\nX-Request-Id: late-1\r\n\r\n")
            )
    assert refused.startswith(b"HTTP/1.1 503 ")
    assert b"\r\nx-request-id: late-1\r\n" in refused
    [line] = [line for line in lines if line["event"] == "request"]
    assert (line["status"], line["request_id"]) == (503, "late-1")


async def test_pipelined_requests_are_limited() -> None:
    async with run_server(HttpLimits()) as server:
        last = LIVE.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
        assert (await send_and_read_all(server.port, LIVE * 5 + last)).count(b"HTTP/1.1 200 ") == 6
        assert (await send_and_read_all(server.port, LIVE * 500)).count(b"HTTP/1.1 200 ") < 500


async def test_trailers_do_not_become_headers() -> None:
    sent = (
        b"POST /upload HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
        b"2;extension=1\r\n{}\r\n0\r\nAuthorization: Bearer late\r\n\r\n"
    )
    async with run_server(HttpLimits()) as server:
        answer = await send_and_read_all(server.port, sent)

    assert b'"size":2' in answer
    assert b"authorization" not in answer


def open_connections(port: int, size: int, sent: bytes) -> AbstractAsyncContextManager[list[Connection]]:
    @asynccontextmanager
    async def opened() -> AsyncIterator[list[Connection]]:
        connections = []
        try:
            for _ in range(size):
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                connections.append((reader, writer))
                writer.write(sent)
                with suppress(ConnectionError):
                    await writer.drain()
                if sent == LIVE:
                    with suppress(ConnectionError, asyncio.IncompleteReadError):
                        await reader.readuntil(b"ok")
            yield connections
        finally:
            for _, writer in connections:
                writer.close()
            for _, writer in connections:
                with suppress(ConnectionError):
                    await writer.wait_closed()

    return opened()


async def wait_until_closed(connections: list[Connection], number: int) -> list[int]:
    """Wait until `number` connections are closed. Return their indexes."""

    async def find_closed() -> list[int] | None:
        indexes = [index for index, (reader, _) in enumerate(connections) if reader.at_eof() or reader.exception()]
        return indexes if len(indexes) >= number else None

    return await eventually(find_closed, f"{number} closed connections")
