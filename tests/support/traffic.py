"""Clients of a deployment behind a load balancer: requests, waiting requests and streams on all APIs."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx2

from tests.support.conditions import eventually
from tests.support.deployments import Deployment, Service
from tests.support.numbers import fresh_number
from tests.support.sse import open_event_stream

_DOCUMENTS = 2
_OPEN_RUNS = 4
_POLLERS = 2
_POLL_SECONDS = 0.1
# Who follows the paused run, and as many who wait for its end.
_LASTING = 4
_WAIT_SECONDS = 30


@dataclass
class _Backend:
    """An API in the eyes of the load balancer."""

    api: Service
    client: httpx2.AsyncClient
    in_rotation: bool = True
    short_requests: int = 0
    waiting: int = 0
    streams: int = 0


@dataclass
class Traffic:
    """What clients ask, and what becomes of it.

    Attributes:
        requested: every process that was requested, by its number.
        followed: the processes whose stream has told the end.
        failures: whatever a client should not have got.
        answered: how many requests were answered, by API and kind.
    """

    deployment: Deployment
    backends: list[_Backend]
    requested: list[str] = field(default_factory=list)
    ended: set[str] = field(default_factory=set)
    followed: set[str] = field(default_factory=set)
    failures: list[str] = field(default_factory=list)
    answered: Counter[str] = field(default_factory=Counter)
    _turns: itertools.count[int] = field(default_factory=itertools.count)
    _stopping: bool = False

    async def take_out(self, api: Service) -> None:
        """Send an API no more requests, and wait until it has answered the short ones.

        Waiting requests and streams go on. There is at least one of each.
        """
        backend = self._backend_of(api)

        async def busy() -> bool:
            return backend.waiting > 0 and backend.streams > 0

        await eventually(busy, f"{api.name} has waiting requests and streams", seconds=60)
        backend.in_rotation = False

        async def answered() -> bool:
            return backend.short_requests == 0

        await eventually(answered, f"{api.name} has answered")

    def put_back(self, api: Service) -> None:
        """Send an API requests again."""
        self._backend_of(api).in_rotation = True

    async def wait_for_progress(self, *apis: Service) -> None:
        """Wait until some more runs have been requested and have ended, with answers of each of these APIs."""
        ended, requested, before = len(self.ended), len(self.requested), self.answered.copy()

        async def progressed() -> bool:
            gained = self.answered - before
            return (
                len(self.ended) >= ended + 3
                and len(self.requested) >= requested + 3
                and all(gained[f"{api.name} status"] > 2 for api in apis)
            )

        await eventually(progressed, "runs end while services are restarted", seconds=60)

    def stop(self) -> None:
        """Request no more. What was requested is followed to its end."""
        self._stopping = True

    async def request(self, kind: str, method: str, path: str, **options: Any) -> httpx2.Response:
        """Send a short request to the next API in rotation. Anything but a success is a failure.

        Except one: an API waits two seconds for Temporal, which a busy machine misses. It then says to ask again.
        """
        while True:
            backend = self._next()
            backend.short_requests += 1
            try:
                response = await self._send(backend, kind, method, path, **options)
            finally:
                backend.short_requests -= 1
            if not _is_temporal_late(response):
                return response

    async def _send(self, backend: _Backend, kind: str, method: str, path: str, **options: Any) -> httpx2.Response:
        try:
            response = await backend.client.request(method, path, **options)
        except httpx2.HTTPError as error:
            self.failures.append(f"{backend.api.name}: {method} {path}: {error!r}")
            raise
        if response.status_code >= 400 and not _is_temporal_late(response):
            self.failures.append(f"{backend.api.name}: {method} {path}: {response.status_code} {response.text}")
        self.answered[f"{backend.api.name} {kind}"] += 1
        return response

    async def request_processes(self) -> None:
        """Keep some runs open, and wait for the end of each."""
        async with asyncio.TaskGroup() as runs:
            for _ in range(_OPEN_RUNS):
                runs.create_task(self._request_one_after_another())

    async def poll(self) -> None:
        """Read statuses, documents and lists."""
        while not self._stopping:
            await asyncio.sleep(_POLL_SECONDS)
            if not self.requested:
                continue
            number = self.requested[-1 - next(self._turns) % min(len(self.requested), 20)]
            await self.request("status", "GET", f"/processes/{number}/status")
            await self.request("documents", "GET", f"/processes/{number}/documents")
            await self.request("list", "GET", "/processes", params={"limit": 20})

    async def _request_one_after_another(self) -> None:
        while not self._stopping:
            number = fresh_number()
            await self.deployment.court.create_process(number, documents=_DOCUMENTS, size_bytes=20_000)
            path = f"/processes/{number}/downloads"
            body = {"webhook_url": f"{self.deployment.receiver.url}/{number}"}
            await self.request("download", "POST", path, json=body)
            self.requested.append(number)
            follow = self.follow if len(self.requested) % 2 else self.wait
            await follow(number)
            self.ended.add(number)

    async def wait(self, number: str) -> None:
        """Wait for the end of a run, one request after another."""
        while True:
            backend = self._next()
            backend.waiting += 1
            try:
                headers = {"Prefer": f"wait={_WAIT_SECONDS}"}
                path = f"/processes/{number}/status"
                response = await self._send(backend, "waiting", "GET", path, headers=headers)
            finally:
                backend.waiting -= 1
            if _is_temporal_late(response):
                continue
            if response.is_error or response.json()["status"] != "processing":
                return

    async def follow(self, number: str) -> None:
        """Follow a run to its end, on another API where one ends the stream."""
        last_event_id: str | None = None
        while True:
            backend = self._next()
            backend.streams += 1
            try:
                async with open_event_stream(backend.client, number, last_event_id) as stream:
                    if stream.answer.status_code != 200:
                        await stream.answer.aread()
                        if _is_temporal_late(stream.answer):
                            continue
                        self.failures.append(f"{backend.api.name}: stream: {stream.answer.text}")
                    async for event in stream:
                        last_event_id = event.id or last_event_id
                        if event.status and event.status["status"] != "processing":
                            self.followed.add(number)
                            return
            except httpx2.HTTPError as error:
                self.failures.append(f"{backend.api.name}: stream of {number}: {error!r}")
                raise
            finally:
                backend.streams -= 1
            # A stream that ends earlier is that of an API that stops.
            if backend.in_rotation:
                self.failures.append(f"{backend.api.name}: the stream of {number} ended before its run")

    def _next(self) -> _Backend:
        in_rotation = [backend for backend in self.backends if backend.in_rotation]
        return in_rotation[next(self._turns) % len(in_rotation)]

    def _backend_of(self, api: Service) -> _Backend:
        return next(backend for backend in self.backends if backend.api is api)


def _is_temporal_late(response: httpx2.Response) -> bool:
    return response.status_code == 503 and response.json()["code"] == "temporal_unavailable"


@asynccontextmanager
async def running_traffic(deployment: Deployment, *apis: Service, paused: str) -> AsyncIterator[Traffic]:
    """Send requests to running APIs until the block is left, and then wait for the end of every run.

    Args:
        deployment: What the APIs belong to.
        apis: The APIs.
        paused: A process with a paused run. Clients follow it and wait for its end, whichever API stops meanwhile.
            Resume it before the block is left.
    """
    async with AsyncExitStack() as clients:
        backends = [
            _Backend(
                api,
                await clients.enter_async_context(
                    httpx2.AsyncClient(base_url=api.url, timeout=_WAIT_SECONDS + 30, trust_env=False)
                ),
            )
            for api in apis
        ]
        traffic = Traffic(deployment, backends)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(traffic.request_processes())
            for _ in range(_POLLERS):
                tasks.create_task(traffic.poll())
            for _ in range(_LASTING):
                tasks.create_task(traffic.follow(paused))
                tasks.create_task(traffic.wait(paused))
            yield traffic
            traffic.stop()
