"""A client for streams of server-sent events (SSE)."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx2


@dataclass
class Event:
    """One event; `status` is its data parsed as JSON."""

    kind: str = "message"
    id: str = ""
    data: str = ""
    retry: int | None = None
    status: dict[str, Any] = field(default_factory=dict)


class EventStream:
    """An open stream, and an iterator of its events."""

    def __init__(self, answer: httpx2.Response) -> None:
        self.answer = answer
        self._lines = answer.aiter_lines()

    def __aiter__(self) -> EventStream:
        """Return the stream itself."""
        return self

    async def __anext__(self) -> Event:
        """Return the next event. Comments are skipped."""
        event = Event()
        async for line in self._lines:
            name, _, value = line.partition(": ")
            if name == "event":
                event.kind = value
            elif name == "id":
                event.id = value
            elif name == "retry":
                event.retry = int(value)
            elif name == "data":
                event.data = value
                event.status = json.loads(value)
            elif line == "" and event != Event():
                return event
        raise StopAsyncIteration


@asynccontextmanager
async def open_stream_at(
    client: httpx2.AsyncClient, path: str, last_event_id: str | None = None
) -> AsyncIterator[EventStream]:
    """Open the stream at a path."""
    headers = {} if last_event_id is None else {"Last-Event-ID": last_event_id}
    async with client.stream("GET", path, headers=headers) as answer:
        yield EventStream(answer)


@asynccontextmanager
async def open_event_stream(
    client: httpx2.AsyncClient, number: str, last_event_id: str | None = None
) -> AsyncIterator[EventStream]:
    """Open the status stream of a process."""
    async with open_stream_at(client, f"/processes/{number}/events", last_event_id) as stream:
        yield stream


async def read_all_events(client: httpx2.AsyncClient, number: str) -> list[Event]:
    """Return all events of a process's stream, until the API ends it."""
    async with open_event_stream(client, number) as stream:
        return [event async for event in stream]
