"""Reading streams of server-sent events."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx


@dataclass
class Event:
    """One event, as far as it has come."""

    kind: str = "message"
    id: str = ""
    data: str = ""
    retry: int | None = None
    status: dict[str, Any] = field(default_factory=dict)


class EventStream:
    """A stream that is open; an iterator of its events."""

    def __init__(self, answer: httpx.Response) -> None:
        self.answer = answer
        self._lines = answer.aiter_lines()

    def __aiter__(self) -> EventStream:
        """The stream is its own iterator."""
        return self

    async def __anext__(self) -> Event:
        """The next event; comments are passed over."""
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
async def event_stream(
    client: httpx.AsyncClient, number: str, last_event_id: str | None = None
) -> AsyncIterator[EventStream]:
    """Open the stream of a process."""
    headers = {} if last_event_id is None else {"Last-Event-ID": last_event_id}
    async with client.stream("GET", f"/processes/{number}/events", headers=headers) as answer:
        yield EventStream(answer)


async def every_event(client: httpx.AsyncClient, number: str) -> list[Event]:
    """All events of a process until the service ends the stream."""
    async with event_stream(client, number) as stream:
        return [event async for event in stream]
