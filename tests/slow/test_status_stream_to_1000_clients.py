"""A thousand clients that follow the status stream of one run through one API."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx2
import pytest

from tests.support.numbers import fresh_number
from tests.support.sse import Event, open_event_stream
from tests.support.stack import running_stack

CLIENTS = 1_000
DOCUMENTS = 400


async def follow(client: httpx2.AsyncClient, number: str, started: asyncio.Semaphore) -> list[Event]:
    """Read every event of a process. The semaphore is released at the first."""
    async with open_event_stream(client, number) as stream:
        events = [await anext(stream)]
        started.release()
        return events + [event async for event in stream]


@pytest.mark.long
async def test_a_thousand_clients_receive_the_end_of_a_run_once(tmp_path: Path) -> None:
    number, started = fresh_number(), asyncio.Semaphore(0)
    unlimited = httpx2.Limits(max_connections=None)
    async with running_stack(tmp_path) as stack:
        await stack.create_process(number, DOCUMENTS, size_bytes=2_000)
        await stack.set_latency(0.8)
        await stack.request_download(number)
        address = stack.addresses["api"]
        async with httpx2.AsyncClient(base_url=address, timeout=120, limits=unlimited, trust_env=False) as client:
            followers = [asyncio.create_task(follow(client, number, started)) for _ in range(CLIENTS)]
            for _ in range(CLIENTS):
                await started.acquire()
            assert (await stack.get_status(number))["status"] == "processing"
            streams = await asyncio.gather(*followers)

    assert {[event.kind for event in events].count("ended") for events in streams} == {1}
    assert {(events[-1].kind, events[-1].status["available_documents"]) for events in streams} == {
        ("ended", DOCUMENTS)
    }
