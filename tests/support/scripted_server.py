"""A server that answers with given bytes, for what no well-behaved server does."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

Reply = Callable[["ReceivedRequest", asyncio.StreamWriter], Awaitable[None]]


@dataclass(frozen=True)
class ReceivedRequest:
    """A request as it was received."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


@dataclass
class ScriptedServer:
    """A running server.

    Attributes:
        connections: how many connections were opened.
        requests: every request that was received.
    """

    origin: str
    connections: int = 0
    requests: list[ReceivedRequest] = field(default_factory=list)

    @property
    def targets(self) -> list[str]:
        """The paths that were requested."""
        return [request.target for request in self.requests]


def answer(status: int, body: bytes = b"", **headers: str) -> bytes:
    """Return a whole response; underscores in header names become hyphens."""
    fields = {"content-length": str(len(body)), "connection": "close"}
    fields |= {name.replace("_", "-"): value for name, value in headers.items()}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"HTTP/1.1 {status} Scripted\r\n{head}\r\n".encode("latin-1") + body


def always(reply: bytes) -> Reply:
    """Reply to every request with the same bytes."""

    async def send(_: ReceivedRequest, writer: asyncio.StreamWriter) -> None:
        writer.write(reply)

    return send


def by_path(replies: dict[str, bytes]) -> Reply:
    """Reply with the bytes of the first prefix that the path starts with, or with 404."""

    async def send(request: ReceivedRequest, writer: asyncio.StreamWriter) -> None:
        matching = (reply for prefix, reply in replies.items() if request.target.startswith(prefix))
        writer.write(next(matching, answer(404)))

    return send


@asynccontextmanager
async def scripted(
    reply: Reply, *, address: str = "127.0.0.1", tls: ssl.SSLContext | None = None
) -> AsyncIterator[ScriptedServer]:
    """Run a server on the loopback for as long as the block lasts; it closes each connection after its response."""
    handlers: set[asyncio.Task[None]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        handlers.add(task)
        server.connections += 1
        try:
            request = await _read_request(reader)
            server.requests.append(request)
            await reply(request, writer)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()
            handlers.discard(task)

    listening = await asyncio.start_server(handle, address, 0, ssl=tls)
    host = f"[{address}]" if ":" in address else address
    server = ScriptedServer(f"http{'s' if tls else ''}://{host}:{listening.sockets[0].getsockname()[1]}")
    try:
        yield server
    finally:
        listening.close()
        for task in list(handlers):
            task.cancel()
        await asyncio.gather(*handlers, return_exceptions=True)


async def _read_request(reader: asyncio.StreamReader) -> ReceivedRequest:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    start, *lines = head.strip().split("\r\n")
    method, target, _ = start.split(" ", 2)
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return ReceivedRequest(method, target, headers, body)
