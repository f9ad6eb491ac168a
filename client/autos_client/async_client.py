"""The client for asyncio."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx

from autos_client import calls, flows, saving, transfers
from autos_client.calls import Answer, Call
from autos_client.errors import RateLimited, Unavailable
from autos_client.flows import Fetch, Flow, Pause, Send, Step, Together, Watching, Work
from autos_client.models import (
    Batch,
    CourtStatus,
    Delivery,
    Document,
    Endpoint,
    FailureEntry,
    Process,
    ProcessSummary,
    Redelivered,
    Status,
)
from autos_client.paging import PageWalk
from autos_client.reports import DownloadReport, Progress

T = TypeVar("T")


class AsyncAutos:
    """As ``Autos``, for asyncio: the same methods, awaited; close it, or use it in an ``async with`` block."""

    def __init__(
        self,
        base_url: str,
        api_key: str | None = None,
        *,
        timeout: float = 30.0,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._url = transfers.checked_url(base_url)
        self._timeout = timeout
        self._api = httpx.AsyncClient(
            base_url=self._url, headers=transfers.key_headers(api_key), transport=transport
        )
        # Without the key.
        self._store = httpx.AsyncClient(headers=transfers.FETCH_HEADERS, timeout=timeout, transport=transport)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._url!r})"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._api.aclose()
        await self._store.aclose()

    async def process(self, number: str) -> Process:
        """See ``Autos.process``."""
        return await self._run(flows.asking(calls.process(number)))

    async def request(
        self,
        number: str,
        *,
        webhook_url: str | None = None,
        max_age: int | None = None,
        document_ids: Sequence[str] | None = None,
        priority: int | None = None,
        notify: str | None = None,
    ) -> Process:
        """See ``Autos.request``."""
        return await self._run(
            flows.asking(
                calls.request(
                    number,
                    webhook_url=webhook_url,
                    max_age=max_age,
                    document_ids=document_ids,
                    priority=priority,
                    notify=notify,
                )
            )
        )

    async def download(
        self,
        number: str,
        *,
        to: str | Path,
        wait: bool = True,
        overwrite: bool = False,
        timeout: float | None = None,  # noqa: ASYNC109 - The run's, not the call's.
        webhook_url: str | None = None,
        max_age: int | None = None,
        priority: int | None = None,
        on_progress: Callable[[Progress], None] | None = None,
    ) -> DownloadReport:
        """See ``Autos.download``."""
        return await self._run(
            saving.downloading(
                calls.request(number, webhook_url=webhook_url, max_age=max_age, priority=priority),
                number,
                Path(to),
                wait=wait,
                overwrite=overwrite,
                timeout=timeout,
                on_progress=on_progress,
            )
        )

    async def status(self, number: str, *, wait: float | None = None) -> Status:
        """See ``Autos.status``."""
        return await self._run(flows.asking(calls.status(number, wait=wait)))

    async def wait(self, number: str, *, timeout: float | None = None) -> Status:  # noqa: ASYNC109 - as above.
        """See ``Autos.wait``."""
        return await self._run(flows.waiting(number, timeout))

    def documents(self, number: str, *, status: str | None = None) -> AsyncIterator[Document]:
        """See ``Autos.documents``."""
        return self._pages(lambda cursor: calls.documents(number, status, cursor))

    async def document(self, number: str, document_id: str) -> Document:
        """See ``Autos.document``."""
        return await self._run(flows.asking(calls.document(number, document_id)))

    async def content(self, number: str, document_id: str) -> bytes:
        """See ``Autos.content``."""
        return await self._run(flows.reading(number, document_id))

    async def retry(self, number: str) -> Status:
        """See ``Autos.retry``."""
        return await self._run(flows.asking(calls.act(number, "retry")))

    async def pause(self, number: str) -> Status:
        """See ``Autos.pause``."""
        return await self._run(flows.asking(calls.act(number, "pause")))

    async def resume(self, number: str) -> Status:
        """See ``Autos.resume``."""
        return await self._run(flows.asking(calls.act(number, "resume")))

    async def cancel(self, number: str) -> Status:
        """See ``Autos.cancel``."""
        return await self._run(flows.asking(calls.act(number, "cancel")))

    def processes(self, *, status: str | None = None, court: str | None = None) -> AsyncIterator[ProcessSummary]:
        """See ``Autos.processes``."""
        return self._pages(lambda cursor: calls.processes(status, court, cursor))

    def failures(self, *, code: str | None = None) -> AsyncIterator[FailureEntry]:
        """See ``Autos.failures``."""
        return self._pages(lambda cursor: calls.failures(code, cursor))

    async def batch(
        self,
        numbers: Sequence[str],
        *,
        webhook_url: str | None = None,
        max_age: int | None = None,
        priority: int | None = None,
    ) -> Batch:
        """See ``Autos.batch``."""
        return await self._run(
            flows.asking(calls.batch(numbers, webhook_url=webhook_url, max_age=max_age, priority=priority))
        )

    async def batch_status(self, batch_id: str) -> Batch:
        """See ``Autos.batch_status``."""
        return await self._run(flows.asking(calls.batch_status(batch_id)))

    def deliveries(
        self, *, status: str | None = None, process_number: str | None = None
    ) -> AsyncIterator[Delivery]:
        """See ``Autos.deliveries``."""
        return self._pages(lambda cursor: calls.deliveries(status, process_number, cursor))

    async def delivery(self, delivery_id: str) -> Delivery:
        """See ``Autos.delivery``."""
        return await self._run(flows.asking(calls.delivery(delivery_id)))

    async def redeliver(self, delivery_id: str) -> Delivery:
        """See ``Autos.redeliver``."""
        return await self._run(flows.asking(calls.redeliver(delivery_id)))

    async def redeliver_failed(self, since: datetime) -> Redelivered:
        """See ``Autos.redeliver_failed``."""
        return await self._run(flows.asking(calls.redeliver_failed(since)))

    async def endpoints(self) -> tuple[Endpoint, ...]:
        """See ``Autos.endpoints``."""
        return await self._run(flows.asking(calls.endpoints()))

    async def enable_endpoint(self, endpoint_id: str) -> Endpoint:
        """See ``Autos.enable_endpoint``."""
        return await self._run(flows.asking(calls.enable_endpoint(endpoint_id)))

    async def test_webhook(self, url: str) -> Delivery:
        """See ``Autos.test_webhook``."""
        return await self._run(flows.asking(calls.test_webhook(url)))

    async def court_status(self) -> CourtStatus:
        """See ``Autos.court_status``."""
        return await self._run(flows.asking(calls.court_status()))

    async def bring_credentials(self, credentials: Mapping[str, str]) -> CourtStatus:
        """See ``Autos.bring_credentials``."""
        return await self._run(flows.asking(calls.bring_credentials(credentials)))

    async def watch(self, number: str) -> AsyncIterator[Status]:
        """See ``Autos.watch``."""
        watching = Watching(number)
        while not watching.is_over():
            problem: Unavailable | RateLimited | None = None
            try:
                async for status in self._events(watching):
                    yield status
            except (Unavailable, RateLimited) as error:
                problem = error
            if not watching.is_over():
                await asyncio.sleep(watching.broken(problem))

    async def _events(self, watching: Watching) -> AsyncIterator[Status]:
        arguments = transfers.arguments(watching.call(), transfers.EVENTS_SECONDS)
        lost = None
        try:
            async with self._api.stream(**arguments) as response:
                reader = transfers.AnswerReader(response, self._timeout)
                if response.status_code != 200:
                    async for piece in response.aiter_bytes():
                        reader.take(piece)
                watching.opened(reader.answer())
                if not watching.is_over():
                    async for piece in response.aiter_bytes():
                        for status in watching.feed(piece):
                            yield status
                        if watching.is_over():
                            break
        except httpx.HTTPError as error:
            lost = transfers.no_answer(self._url, error)
        if lost:
            raise lost

    async def _pages(self, page: Callable[[str | None], Call[Any]]) -> AsyncIterator[Any]:
        walk, cursor = PageWalk(), None
        while True:
            found = await self._run(flows.asking(page(cursor)))
            for item in found.items:
                yield item
            cursor = walk.after(found)
            if cursor is None:
                return

    async def _run(self, flow: Flow[T]) -> T:
        """Carry a flow's steps out."""
        try:
            step = next(flow)
            while True:
                try:
                    result = await self._do(step)
                except Exception as error:  # noqa: BLE001 - What to make of it is the flow's to say.
                    step = flow.throw(error)
                else:
                    step = flow.send(result)
        except StopIteration as ended:
            done: T = ended.value
            return done
        finally:
            flow.close()

    async def _do(self, step: Step) -> Any:
        match step:
            case Send(call):
                return await self._send(call)
            case Fetch(url, sink):
                return await self._fetch(url, sink)
            case Pause(seconds):
                return await asyncio.sleep(seconds)
            case Work(task):
                return await asyncio.to_thread(task)
            case Together(several, at_once, _):
                room = asyncio.Semaphore(at_once)
                async with asyncio.TaskGroup() as group:
                    tasks = [group.create_task(self._in_turn(room, flow)) for flow in several]
                return [task.result() for task in tasks]

    async def _in_turn(self, room: asyncio.Semaphore, flow: Flow[T]) -> T:
        async with room:
            return await self._run(flow)

    async def _send(self, call: Call[Any]) -> Answer:
        try:
            with transfers.unlogged():
                async with self._api.stream(**transfers.arguments(call, self._timeout)) as response:
                    reader = transfers.AnswerReader(response, self._timeout + call.hold_seconds)
                    async for piece in response.aiter_bytes():
                        reader.take(piece)
                    return reader.answer()
        except httpx.HTTPError as error:
            lost = transfers.no_answer(f"{self._url}{call.path}", error)
        raise lost

    async def _fetch(self, url: str, sink: flows.Sink) -> int:
        try:
            with transfers.unlogged():
                async with self._store.stream("GET", url) as response:
                    if response.status_code == 200:
                        async for piece in response.aiter_raw():
                            # Into the system's cache: not worth a thread's turn for each piece.
                            sink.write(piece)
                    return response.status_code
        except transfers.LOST as error:
            lost = transfers.no_bytes(error)
        raise lost
