"""Following a run: polling with tags, waiting for news, and streams of events."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass

import httpx
import pytest
import uvicorn
from fastapi import FastAPI

from api.app import create_app
from api.watching import RECONNECT_MILLISECONDS, Watching
from settings import load_settings
from tests.support.conditions import eventually
from tests.support.events import Event, event_stream, every_event
from tests.support.numbers import fresh_number
from tests.support.ports import bound_socket
from tests.support.stack import ROOT, RunningStack, clean_environment
from tests.support.statements import statements
from workflows.download_process import DownloadProcess

# A thousand watch in tests/long: here, both sides of each stream are served by one process.
WATCHERS = 100


@dataclass(frozen=True)
class SecondApi:
    """Another API over the same stack, inside the tests' own process."""

    client: httpx.AsyncClient
    app: FastAPI

    @property
    def watchers(self) -> dict[str, int]:
        """How many watch each process here."""
        watching: Watching = self.app.state.watching
        return watching.watchers


@contextmanager
def serving(app: FastAPI) -> Iterator[str]:
    """The address of an app that is served from a thread."""
    with bound_socket() as listener:
        server = uvicorn.Server(uvicorn.Config(app, access_log=False, log_config=None, timeout_graceful_shutdown=5))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield "http://{}:{}".format(*listener.getsockname())
        finally:
            server.should_exit = True
            thread.join()


@pytest.fixture(scope="module")
async def second(shared_stack: RunningStack) -> AsyncIterator[SecondApi]:
    """Another API over the same stack."""
    async with AsyncExitStack() as stack:
        with pytest.MonkeyPatch.context() as variables:
            for name in [name for name in os.environ if name.startswith(("AUTOS_", "TEMPORAL_", "AWS_"))]:
                variables.delenv(name)
            variables.setenv("TEMPORAL_ADDRESS", shared_stack.addresses["temporal"])
            app = create_app(load_settings(data_dir=shared_stack.data_dir))
            many = httpx.Limits(max_connections=None)
            address = stack.enter_context(serving(app))
            client = await stack.enter_async_context(
                httpx.AsyncClient(base_url=address, timeout=60, limits=many, trust_env=False)
            )
            (await client.get("/health/live")).raise_for_status()
        yield SecondApi(client, app)


async def begun(stack: RunningStack, documents: int = 80, *, latency: float = 0.3) -> str:
    """A process whose run is under way."""
    number = fresh_number()
    await stack.prepare(number, documents, size_bytes=1_500)
    await stack.latency(latency)
    await stack.request(number)
    return number


async def paused(stack: RunningStack) -> str:
    """A process whose run is paused and has nothing on its way, so that its state stays as it is."""
    number = await begun(stack)
    await stack.reaches(number, 1)
    await stack.temporal.get_workflow_handle(number).execute_update(DownloadProcess.pause)
    await stack.latency(0)
    counted: list[int] = []

    async def unchanged() -> bool:
        counted.append((await stack.status(number))["available_documents"])
        return len(counted) > 5 and len(set(counted[-5:])) == 1

    await eventually(unchanged, "the end of what was on its way")
    return number


@pytest.fixture(scope="module")
async def still(shared_stack: RunningStack) -> str:
    """A paused process that no test resumes."""
    return await paused(shared_stack)


async def resume(stack: RunningStack, number: str) -> None:
    """Let a paused run go on."""
    await stack.temporal.get_workflow_handle(number).execute_update(DownloadProcess.resume)


def kinds(events: list[Event]) -> list[str]:
    """What kinds of events they are."""
    return [event.kind for event in events]


async def test_a_stream_has_the_progress_of_a_run_and_one_end(stack: RunningStack) -> None:
    number = await begun(stack)
    async with event_stream(stack.api, number) as stream:
        assert stream.answer.status_code == 200
        assert stream.answer.headers["content-type"].startswith("text/event-stream")
        assert stream.answer.headers["cache-control"] == "no-cache"
        events = [event async for event in stream]

    assert kinds(events) == ["progress"] * (len(events) - 1) + ["ended"]
    assert len(events) > 2
    available = [event.status["available_documents"] for event in events]
    assert available == sorted(available)
    assert {event.status["status"] for event in events[:-1]} == {"processing"}
    assert (events[-1].status["status"], available[-1]) == ("completed", 80)
    assert events[-1].status == await stack.status(number)
    assert len({event.id for event in events}) == len(events)
    assert {event.retry for event in events} == {RECONNECT_MILLISECONDS}


async def test_a_hundred_watch_a_run_with_one_reader_between_them(stack: RunningStack, second: SecondApi) -> None:
    number = await paused(stack)
    watchers = [asyncio.create_task(every_event(second.client, number)) for _ in range(WATCHERS)]

    async def all_there() -> bool:
        for watcher in watchers:
            assert not watcher.done(), watcher.exception() or watcher.result()
        return second.watchers == {number: WATCHERS}

    await eventually(all_there, "every watcher", seconds=60)
    with statements() as said:
        since = time.monotonic()
        await resume(stack, number)
        streams = await asyncio.gather(*watchers)
        seconds = time.monotonic() - since

    assert {kinds(events).count("ended") for events in streams} == {1}
    assert {events[-1].kind for events in streams} == {"ended"}
    assert {events[-1].data for events in streams} == {streams[0][-1].data}
    # The run is read twice a second, whoever watches it.
    readings = sum("FROM runs" in statement.sql for statement in said)
    assert 1 <= readings <= 2 * seconds + 2

    async def nobody() -> bool:
        return second.watchers == {}

    await eventually(nobody, "the end of every watch")


async def test_a_stream_goes_on_behind_the_last_event_at_another_instance(
    stack: RunningStack, second: SecondApi
) -> None:
    number = await paused(stack)
    async with event_stream(stack.api, number) as stream:
        last = await anext(stream)
    assert (last.kind, last.status["phase"]) == ("progress", "paused")

    async with event_stream(second.client, number, last_event_id="not one of ours") as stream:
        assert (await anext(stream)).data == last.data
    async with event_stream(second.client, number, last_event_id=last.id) as stream:
        assert stream.answer.status_code == 200
        await resume(stack, number)
        events = [event async for event in stream]
    assert last.data not in {event.data for event in events}
    assert kinds(events).count("ended") == 1


async def test_a_run_that_has_ended_is_told_once_and_then_no_more(stack: RunningStack, second: SecondApi) -> None:
    number = await begun(stack, 2, latency=0)
    status = await stack.ended(number)

    (event,) = await every_event(stack.api, number)
    assert (event.kind, event.status) == ("ended", status)
    for api in (stack.api, second.client):
        async with event_stream(api, number, last_event_id=event.id) as stream:
            assert stream.answer.status_code == 204
            assert [event async for event in stream] == []
    (again,) = await every_event(second.client, number)
    assert again.data == event.data


async def test_a_run_that_is_terminated_in_temporal_ends_its_streams(stack: RunningStack) -> None:
    number = await paused(stack)
    async with event_stream(stack.api, number) as stream:
        assert (await anext(stream)).kind == "progress"
        await stack.temporal.get_workflow_handle(number).terminate()
        events = [event async for event in stream]
    assert kinds(events) == ["ended"]
    assert events[0].status["status"] == "pending"


async def test_nothing_can_be_watched_of_an_unknown_process(stack: RunningStack) -> None:
    number = fresh_number()
    for answer in (
        await stack.api.get(f"/processes/{number}/events"),
        await stack.api.get(f"/processes/{number}/status"),
        await stack.api.get(f"/processes/{number}/status", headers={"Prefer": "wait=20"}),
    ):
        assert (answer.status_code, answer.json()["code"]) == (404, "process_unknown")
        assert answer.headers["content-type"] == "application/problem+json"


async def test_a_status_that_is_known_is_not_sent_again(stack: RunningStack, second: SecondApi, still: str) -> None:
    number = still
    path = f"/processes/{number}/status"
    first = await stack.api.get(path)
    tag = first.headers["etag"]
    assert tag.startswith('W/"')
    assert (first.headers["cache-control"], first.headers["retry-after"]) == ("no-cache", "2")
    assert (first.headers["vary"], "preference-applied" in first.headers) == ("Prefer", False)

    for api in (stack.api, second.client):
        for known in (tag, tag.removeprefix("W/"), f'"other", {tag}', "*"):
            answer = await api.get(path, headers={"If-None-Match": known})
            assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", tag)
    assert (await stack.api.get(path, headers={"If-None-Match": '"other"'})).status_code == 200

    waiting = await stack.api.get(path, headers={"If-None-Match": tag, "Prefer": "wait=1"})
    assert (waiting.status_code, waiting.headers["preference-applied"]) == (304, "wait=1")


async def test_waiting_for_news_ends_with_the_first(stack: RunningStack) -> None:
    number = await paused(stack)
    path = f"/processes/{number}/status"
    tag = (await stack.api.get(path)).headers["etag"]
    waiting = asyncio.create_task(stack.api.get(path, headers={"If-None-Match": tag, "Prefer": "wait=30"}))
    began = time.monotonic()
    await resume(stack, number)

    answer = await waiting
    assert time.monotonic() - began < 20
    assert (answer.status_code, answer.headers["preference-applied"]) == (200, "wait=30")
    assert answer.headers["etag"] != tag


async def test_waiting_for_the_end_ends_with_the_run(stack: RunningStack) -> None:
    number = await begun(stack, 30)
    began = time.monotonic()
    answer = await stack.api.get(f"/processes/{number}/status", headers={"Prefer": "respond-async, wait=999"})

    assert time.monotonic() - began < 25
    assert (answer.status_code, answer.headers["preference-applied"]) == (200, "wait=30")
    assert answer.json()["status"] == "completed"
    assert "retry-after" not in answer.headers


async def test_who_leaves_while_waiting_is_not_waited_for(second: SecondApi, still: str) -> None:
    number = still
    path = f"/processes/{number}/status"

    async def nobody() -> bool:
        return second.watchers == {}

    async def somebody() -> bool:
        return second.watchers == {number: 2}

    async def stream() -> None:
        await every_event(second.client, number)

    waiting = [
        asyncio.create_task(second.client.get(path, headers={"Prefer": "wait=30"})),
        asyncio.create_task(stream()),
    ]
    await eventually(somebody, "the watchers")
    for each in waiting:
        each.cancel()
    await asyncio.wait(waiting)
    await eventually(nobody, "the end of the watches", seconds=5)


@asynccontextmanager
async def api_process(stack: RunningStack) -> AsyncIterator[tuple[asyncio.subprocess.Process, httpx.AsyncClient]]:
    """An API as it runs in production: a process of its own, with a client for it."""
    with bound_socket() as free:
        port = free.getsockname()[1]
    environment = clean_environment(
        AUTOS_DATA_DIR=str(stack.data_dir), AUTOS_API_PORT=str(port), TEMPORAL_ADDRESS=stack.addresses["temporal"]
    )
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(ROOT / "cli.py"), "api"), cwd=stack.data_dir, env=environment
    )
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60, trust_env=False) as client:

            async def serves() -> bool:
                try:
                    return (await client.get("/health/live")).is_success
                except httpx.ConnectError:
                    return False

            await eventually(serves, "the API")
            yield process, client
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def test_a_service_that_stops_ends_its_streams_at_once(stack: RunningStack, still: str) -> None:
    number = still
    async with api_process(stack) as (process, client), event_stream(client, number) as stream:
        assert (await anext(stream)).kind == "progress"
        waiting = asyncio.create_task(
            client.get(f"/processes/{number}/status", headers={"Prefer": "wait=30"}),
        )
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        # The stream ends without saying that the run had: an EventSource connects again, to another instance.
        assert [event async for event in stream] == []
        assert await asyncio.wait_for(process.wait(), 8) == 0
        assert time.monotonic() - began < 5
        await asyncio.wait((waiting,))
        if waiting.exception() is None:
            assert waiting.result().json()["status"] == "processing"
