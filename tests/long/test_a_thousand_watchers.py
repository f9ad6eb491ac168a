"""A thousand clients that watch one run through one API."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import pytest

from tests.support.events import Event, event_stream
from tests.support.numbers import fresh_number
from tests.support.stack import running_stack

WATCHERS = 1_000
DOCUMENTS = 400


async def watch(client: httpx.AsyncClient, number: str, present: asyncio.Semaphore) -> list[Event]:
    """Every event of a process; the semaphore is released when the first has come."""
    async with event_stream(client, number) as stream:
        events = [await anext(stream)]
        present.release()
        return events + [event async for event in stream]


@pytest.mark.long
@pytest.mark.timeout(300)
async def test_a_thousand_watchers_are_all_told_of_the_end_once(tmp_path: Path) -> None:
    number, present = fresh_number(), asyncio.Semaphore(0)
    unlimited = httpx.Limits(max_connections=None)
    async with running_stack(tmp_path) as stack:
        await stack.prepare(number, DOCUMENTS, size_bytes=2_000)
        await stack.latency(0.8)
        await stack.request(number)
        address = stack.addresses["api"]
        async with httpx.AsyncClient(base_url=address, timeout=120, limits=unlimited, trust_env=False) as client:
            crowd = [asyncio.create_task(watch(client, number, present)) for _ in range(WATCHERS)]
            for _ in range(WATCHERS):
                await present.acquire()
            assert (await stack.status(number))["status"] == "processing"
            streams = await asyncio.gather(*crowd)

    assert {[event.kind for event in events].count("ended") for events in streams} == {1}
    assert {(events[-1].kind, events[-1].status["available_documents"]) for events in streams} == {
        ("ended", DOCUMENTS)
    }
