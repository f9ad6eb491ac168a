"""The I/O of the blocking client: connections, and the runner of the flows."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
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
        transport: httpx2.BaseTransport | None = None,
    ) -> None:
        self._url = transfers.checked_base_url(base_url)
        self._timeout = timeout
        self._patience = patience_of(patience)
        self._api = httpx2.Client(base_url=self._url, headers=transfers.key_headers(api_key), transport=transport)
        self._api.headers.update(transfers.purpose_headers(purpose))
        # Without the key: it downloads from signed links.
        self._store = httpx2.Client(headers=transfers.FETCH_HEADERS, timeout=timeout, transport=transport)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._url!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._api.close()
        self._store.close()

    def _follow(self, stream: StatusStream[T]) -> Iterator[T]:
        """Yield the states of a stream until the last one. Reconnects if the connection breaks."""
        while not stream.is_over():
            problem: Unavailable | RateLimited | None = None
            try:
                yield from self._open_stream(stream)
            except (Unavailable, RateLimited) as error:
                problem = error
            if not stream.is_over():
                self._sleep(stream.reconnect_delay(problem))

    def _open_stream(self, stream: StatusStream[T]) -> Iterator[T]:
        arguments = transfers.stream_arguments(stream.call(), transfers.EVENTS_SECONDS)
        lost = None
        try:
            with self._api.stream(**arguments) as response:
                reader = transfers.AnswerReader(response, self._timeout)
                if response.status_code != 200:
                    for piece in response.iter_bytes():
                        reader.take(piece)
                stream.opened(reader.answer())
                if not stream.is_over():
                    for piece in response.iter_bytes():
                        yield from stream.feed(piece)
                        if stream.is_over():
                            break
        except httpx2.HTTPError as error:
            lost = transfers.no_answer_error(self._url, error)
        if lost:
            raise lost

    def _iterate_pages(self, page: Callable[[str | None], Call[Any]]) -> Iterator[Any]:
        guard, cursor = PageGuard(), None
        while True:
            fetched = self._call(page(cursor))
            yield from fetched.items
            cursor = guard.cursor_after(fetched)
            if cursor is None:
                return

    def _call(self, call: Call[T]) -> T:
        """Send one request with retries, and return its parsed answer."""
        return self._run(flows.send(call, self._patience))

    def _run(self, flow: Flow[T]) -> T:
        """Run a flow to its end: run each step and send its result into the flow."""
        try:
            step = next(flow)
            while True:
                try:
                    result = self._run_step(step)
                except Exception as error:  # noqa: BLE001 - The flow decides.
                    step = flow.throw(error)
                else:
                    step = flow.send(result)
        except StopIteration as ended:
            value: T = ended.value
            return value
        finally:
            flow.close()

    def _sleep(self, seconds: float) -> None:
        time.sleep(seconds)

    def _run_step(self, step: Step) -> Any:
        match step:
            case Send(call):
                return self._send(call)
            case Download(url, sink, first_byte):
                return self._download(url, sink, first_byte)
            case Sleep(seconds):
                return self._sleep(seconds)
            case RunBlocking(task):
                return task()
            case Parallel(subflows, at_once, stop):
                with ThreadPoolExecutor(at_once) as pool:
                    try:
                        return list(pool.map(self._run, subflows))
                    except BaseException:
                        stop()
                        pool.shutdown(wait=False, cancel_futures=True)
                        raise

    def _send(self, call: Call[Any]) -> Answer:
        try:
            arguments = transfers.stream_arguments(call, self._timeout)
            with transfers.without_http_logs(), self._api.stream(**arguments) as response:
                reader = transfers.AnswerReader(response, self._timeout + call.hold_seconds)
                for piece in response.iter_bytes():
                    reader.take(piece)
                return reader.answer()
        except httpx2.HTTPError as error:
            lost = transfers.no_answer_error(f"{self._url}{call.path}", error)
        raise lost

    def _download(self, url: str, sink: flows.Sink, first_byte: int) -> int:
        headers = transfers.range_headers(first_byte)
        try:
            with transfers.without_http_logs(), self._store.stream("GET", url, headers=headers) as response:
                rest = transfers.RestOfFile(response.status_code, first_byte)
                if rest.is_wanted:
                    for piece in response.iter_raw():
                        sink.write(rest.of(piece))
                return response.status_code
        except transfers.DOWNLOAD_ERRORS as error:
            lost = transfers.download_error(error)
        raise lost
