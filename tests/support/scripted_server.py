"""A server that answers with the very bytes it is given, for what no well-behaved server does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

Reply = Callable[["Asked", asyncio.StreamWriter], Awaitable[None]]


@dataclass(frozen=True)
class Asked:
    """A request as it came."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


@dataclass
class ScriptedServer:
    """What came, and where to send more."""

    origin: str
    connections: int = 0
    requests: list[Asked] = field(default_factory=list)

    @property
    def targets(self) -> list[str]:
        """The paths that were asked for."""
        return [asked.target for asked in self.requests]


def answer(status: int, body: bytes = b"", **headers: str) -> bytes:
    """A whole answer; underscores in header names become hyphens."""
    fields = {"content-length": str(len(body)), "connection": "close"}
    fields |= {name.replace("_", "-"): value for name, value in headers.items()}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"HTTP/1.1 {status} Scripted\r\n{head}\r\n".encode("latin-1") + body


def always(reply: bytes) -> Reply:
    """The same bytes to everybody."""

    async def send(_: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(reply)

    return send


def by_path(replies: dict[str, bytes]) -> Reply:
    """The bytes for the first of these beginnings that the path has, else 404."""

    async def send(asked: Asked, writer: asyncio.StreamWriter) -> None:
        found = next((reply for start, reply in replies.items() if asked.target.startswith(start)), answer(404))
        writer.write(found)

    return send


@asynccontextmanager
async def scripted(reply: Reply, *, address: str = "127.0.0.1") -> AsyncIterator[ScriptedServer]:
    """A server on the loopback for as long as the block lasts; it closes each connection after its answer."""
    handlers: set[asyncio.Task[None]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        handlers.add(task)
        server.connections += 1
        try:
            asked = await _read(reader)
            server.requests.append(asked)
            await reply(asked, writer)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()
            handlers.discard(task)

    listening = await asyncio.start_server(handle, address, 0)
    host = f"[{address}]" if ":" in address else address
    server = ScriptedServer(f"http://{host}:{listening.sockets[0].getsockname()[1]}")
    try:
        yield server
    finally:
        listening.close()
        for task in list(handlers):
            task.cancel()
        await asyncio.gather(*handlers, return_exceptions=True)


async def _read(reader: asyncio.StreamReader) -> Asked:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    start, *lines = head.strip().split("\r\n")
    method, target, _ = start.split(" ", 2)
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Asked(method, target, headers, body)
