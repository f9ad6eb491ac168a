"""The client for asyncio: ``AsyncAutos``."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx

from autos_client import downloads, flows, requests, transfers
from autos_client.batch_models import Batch, BatchSummary
from autos_client.errors import RateLimited, Unavailable
from autos_client.flows import Download, Flow, Parallel, RunBlocking, Send, Sleep, StatusStream, Step
from autos_client.models import (
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
from autos_client.paging import PageGuard
from autos_client.patience import Patience, patience_of
from autos_client.reports import DownloadReport, Progress
from autos_client.requests import Answer, Call

T = TypeVar("T")


class AsyncAutos:
    """The same as ``Autos`` for asyncio. Close it, or use it in an ``async with`` block."""

    def __init__(
        self,
        base_url: str,
        api_key: str | None = None,
        *,
        timeout: float = 30.0,
        patience: float | Patience = 0.0,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._url = transfers.checked_base_url(base_url)
        self._timeout = timeout
        self._patience = patience_of(patience)
        self._api = httpx.AsyncClient(
            base_url=self._url, headers=transfers.key_headers(api_key), transport=transport
        )
        # Without the key: it downloads from signed links.
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
        return await self._call(requests.process(number))

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
        return await self._call(
            requests.request(
                number,
                webhook_url=webhook_url,
                max_age=max_age,
                document_ids=document_ids,
                priority=priority,
                notify=notify,
            )
        )

    async def download(
        self,
        number: str,
        *,
        to: str | Path,
        wait: bool = True,
        overwrite: bool = False,
        timeout: float | None = None,  # noqa: ASYNC109 - It limits the run, not this call.
        webhook_url: str | None = None,
        max_age: int | None = None,
        priority: int | None = None,
        patience: float | Patience | None = None,
        start: bool = True,
        on_progress: Callable[[Progress], None] | None = None,
    ) -> DownloadReport:
        """See ``Autos.download``."""
        return await self._run(
            downloads.download_process(
                requests.request(number, webhook_url=webhook_url, max_age=max_age, priority=priority)
                if start
                else None,
                number,
                Path(to),
                patience=patience_of(patience, self._patience),
                wait=wait,
                overwrite=overwrite,
                timeout=timeout,
                on_progress=on_progress,
            )
        )

    async def status(self, number: str, *, wait: float | None = None) -> Status:
        """See ``Autos.status``."""
        return await self._call(requests.status(number, wait=wait))

    async def wait(self, number: str, *, timeout: float | None = None) -> Status:  # noqa: ASYNC109 - as above.
        """See ``Autos.wait``."""
        return await self._run(flows.wait_until_ended(number, timeout, self._patience))

    def documents(self, number: str, *, status: str | None = None) -> AsyncIterator[Document]:
        """See ``Autos.documents``."""
        return self._iterate_pages(lambda cursor: requests.documents(number, status, cursor))

    async def document(self, number: str, document_id: str) -> Document:
        """See ``Autos.document``."""
        return await self._call(requests.document(number, document_id))

    async def content(self, number: str, document_id: str) -> bytes:
        """See ``Autos.content``."""
        return await self._run(flows.fetch_content(number, document_id, self._patience))

    async def retry(self, number: str) -> Status:
        """See ``Autos.retry``."""
        return await self._call(requests.control(number, "retry"))

    async def pause(self, number: str) -> Status:
        """See ``Autos.pause``."""
        return await self._call(requests.control(number, "pause"))

    async def resume(self, number: str) -> Status:
        """See ``Autos.resume``."""
        return await self._call(requests.control(number, "resume"))

    async def cancel(self, number: str) -> Status:
        """See ``Autos.cancel``."""
        return await self._call(requests.control(number, "cancel"))

    def processes(self, *, status: str | None = None, court: str | None = None) -> AsyncIterator[ProcessSummary]:
        """See ``Autos.processes``."""
        return self._iterate_pages(lambda cursor: requests.processes(status, court, cursor))

    def failures(self, *, code: str | None = None) -> AsyncIterator[FailureEntry]:
        """See ``Autos.failures``."""
        return self._iterate_pages(lambda cursor: requests.failures(code, cursor))

    async def batch(
        self,
        numbers: Sequence[str],
        *,
        webhook_url: str | None = None,
        max_age: int | None = None,
        priority: int | None = None,
        repeatable: bool = False,
    ) -> Batch:
        """See ``Autos.batch``."""
        return await self._call(
            requests.batch(
                numbers, webhook_url=webhook_url, max_age=max_age, priority=priority, repeatable=repeatable
            )
        )

    async def batch_status(self, batch_id: str) -> Batch:
        """See ``Autos.batch_status``."""
        return await self._call(requests.batch_status(batch_id))

    def batches(self) -> AsyncIterator[BatchSummary]:
        """See ``Autos.batches``."""
        return self._iterate_pages(requests.batches)

    def deliveries(
        self, *, status: str | None = None, process_number: str | None = None
    ) -> AsyncIterator[Delivery]:
        """See ``Autos.deliveries``."""
        return self._iterate_pages(lambda cursor: requests.deliveries(status, process_number, cursor))

    async def delivery(self, delivery_id: str) -> Delivery:
        """See ``Autos.delivery``."""
        return await self._call(requests.delivery(delivery_id))

    async def redeliver(self, delivery_id: str) -> Delivery:
        """See ``Autos.redeliver``."""
        return await self._call(requests.redeliver(delivery_id))

    async def redeliver_failed(self, since: datetime) -> Redelivered:
        """See ``Autos.redeliver_failed``."""
        return await self._call(requests.redeliver_failed(since))

    async def endpoints(self) -> tuple[Endpoint, ...]:
        """See ``Autos.endpoints``."""
        return await self._call(requests.endpoints())

    async def enable_endpoint(self, endpoint_id: str) -> Endpoint:
        """See ``Autos.enable_endpoint``."""
        return await self._call(requests.enable_endpoint(endpoint_id))

    async def test_webhook(self, url: str) -> Delivery:
        """See ``Autos.test_webhook``."""
        return await self._call(requests.test_webhook(url))

    async def court_status(self) -> CourtStatus:
        """See ``Autos.court_status``."""
        return await self._call(requests.court_status())

    async def bring_credentials(self, credentials: Mapping[str, str]) -> CourtStatus:
        """See ``Autos.bring_credentials``."""
        return await self._call(requests.bring_credentials(credentials))

    async def watch(self, number: str) -> AsyncIterator[Status]:
        """See ``Autos.watch``."""
        stream = StatusStream(number)
        while not stream.is_over():
            problem: Unavailable | RateLimited | None = None
            try:
                async for status in self._open_stream(stream):
                    yield status
            except (Unavailable, RateLimited) as error:
                problem = error
            if not stream.is_over():
                await asyncio.sleep(stream.reconnect_delay(problem))

    async def _open_stream(self, stream: StatusStream) -> AsyncIterator[Status]:
        arguments = transfers.httpx_arguments(stream.call(), transfers.EVENTS_SECONDS)
        lost = None
        try:
            async with self._api.stream(**arguments) as response:
                reader = transfers.AnswerReader(response, self._timeout)
                if response.status_code != 200:
                    async for piece in response.aiter_bytes():
                        reader.take(piece)
                stream.opened(reader.answer())
                if not stream.is_over():
                    async for piece in response.aiter_bytes():
                        for status in stream.feed(piece):
                            yield status
                        if stream.is_over():
                            break
        except httpx.HTTPError as error:
            lost = transfers.no_answer_error(self._url, error)
        if lost:
            raise lost

    async def _iterate_pages(self, page: Callable[[str | None], Call[Any]]) -> AsyncIterator[Any]:
        guard, cursor = PageGuard(), None
        while True:
            fetched = await self._call(page(cursor))
            for item in fetched.items:
                yield item
            cursor = guard.cursor_after(fetched)
            if cursor is None:
                return

    async def _call(self, call: Call[T]) -> T:
        """Send one request with retries, and return its parsed answer."""
        return await self._run(flows.send(call, self._patience))

    async def _run(self, flow: Flow[T]) -> T:
        """Run a flow to its end: run each step and send its result into the flow."""
        try:
            step = next(flow)
            while True:
                try:
                    result = await self._run_step(step)
                except Exception as error:  # noqa: BLE001 - The flow decides.
                    step = flow.throw(error)
                else:
                    step = flow.send(result)
        except StopIteration as ended:
            value: T = ended.value
            return value
        finally:
            flow.close()

    async def _run_step(self, step: Step) -> Any:
        match step:
            case Send(call):
                return await self._send(call)
            case Download(url, sink):
                return await self._download(url, sink)
            case Sleep(seconds):
                return await asyncio.sleep(seconds)
            case RunBlocking(task):
                return await asyncio.to_thread(task)
            case Parallel(subflows, at_once, _):
                semaphore = asyncio.Semaphore(at_once)
                async with asyncio.TaskGroup() as group:
                    tasks = [group.create_task(self._run_within(semaphore, flow)) for flow in subflows]
                return [task.result() for task in tasks]

    async def _run_within(self, semaphore: asyncio.Semaphore, flow: Flow[T]) -> T:
        async with semaphore:
            return await self._run(flow)

    async def _send(self, call: Call[Any]) -> Answer:
        try:
            with transfers.without_http_logs():
                async with self._api.stream(**transfers.httpx_arguments(call, self._timeout)) as response:
                    reader = transfers.AnswerReader(response, self._timeout + call.hold_seconds)
                    async for piece in response.aiter_bytes():
                        reader.take(piece)
                    return reader.answer()
        except httpx.HTTPError as error:
            lost = transfers.no_answer_error(f"{self._url}{call.path}", error)
        raise lost

    async def _download(self, url: str, sink: flows.Sink) -> int:
        try:
            with transfers.without_http_logs():
                async with self._store.stream("GET", url) as response:
                    if response.status_code == 200:
                        async for piece in response.aiter_raw():
                            # The write goes to the page cache: a thread for each piece would cost more.
                            sink.write(piece)
                    return response.status_code
        except transfers.DOWNLOAD_ERRORS as error:
            lost = transfers.download_error(error)
        raise lost
