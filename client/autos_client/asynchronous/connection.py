"""The I/O of the client for asyncio: connections, and the runner of the flows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx2

from autos_client import flows, transfers
from autos_client.errors import RateLimited, Unavailable
from autos_client.flows import Download, Flow, Parallel, RunBlocking, Send, Sleep, Step
from autos_client.paging import PageGuard
from autos_client.patience import Patience, patience_of
from autos_client.requests import Answer, Call
from autos_client.streams import StatusStream

T = TypeVar("T")


class Connection:
    """The connections to the API and to the store, and what runs flows over them."""

    def __init__(
        self,
        base_url: str,
        api_key: str | None = None,
        *,
        timeout: float = 30.0,
        patience: float | Patience | None = None,
        purpose: str | None = None,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        self._url = transfers.checked_base_url(base_url)
        self._timeout = timeout
        self._patience = patience_of(patience)
        self._api = httpx2.AsyncClient(
            base_url=self._url, headers=transfers.key_headers(api_key), transport=transport
        )
        self._api.headers.update(transfers.purpose_headers(purpose))
        # Without the key: it downloads from signed links.
        self._store = httpx2.AsyncClient(headers=transfers.FETCH_HEADERS, timeout=timeout, transport=transport)

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

    async def _follow(self, stream: StatusStream[T]) -> AsyncIterator[T]:
        """Yield the states of a stream until the last one. Reconnects if the connection breaks."""
        while not stream.is_over():
            problem: Unavailable | RateLimited | None = None
            try:
                async for state in self._open_stream(stream):
                    yield state
            except (Unavailable, RateLimited) as error:
                problem = error
            if not stream.is_over():
                await self._sleep(stream.reconnect_delay(problem))

    async def _open_stream(self, stream: StatusStream[T]) -> AsyncIterator[T]:
        arguments = transfers.stream_arguments(stream.call(), transfers.EVENTS_SECONDS)
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
                        for state in stream.feed(piece):
                            yield state
                        if stream.is_over():
                            break
        except httpx2.HTTPError as error:
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

    async def _sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def _run_step(self, step: Step) -> Any:
        match step:
            case Send(call):
                return await self._send(call)
            case Download(url, sink, first_byte):
                return await self._download(url, sink, first_byte)
            case Sleep(seconds):
                return await self._sleep(seconds)
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
                async with self._api.stream(**transfers.stream_arguments(call, self._timeout)) as response:
                    reader = transfers.AnswerReader(response, self._timeout + call.hold_seconds)
                    async for piece in response.aiter_bytes():
                        reader.take(piece)
                    return reader.answer()
        except httpx2.HTTPError as error:
            lost = transfers.no_answer_error(f"{self._url}{call.path}", error)
        raise lost

    async def _download(self, url: str, sink: flows.Sink, first_byte: int) -> int:
        headers = transfers.range_headers(first_byte)
        try:
            with transfers.without_http_logs():
                async with self._store.stream("GET", url, headers=headers) as response:
                    rest = transfers.RestOfFile(response.status_code, first_byte)
                    if rest.is_wanted:
                        async for piece in response.aiter_raw():
                            # The write goes to the page cache: a thread for each piece would cost more.
                            sink.write(rest.of(piece))
                    return response.status_code
        except transfers.DOWNLOAD_ERRORS as error:
            lost = transfers.download_error(error)
        raise lost
