"""The blocking client."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
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


class Autos:
    """Speaks to the API and waits for its answers. Close it, or use it in a ``with`` block. Safe across threads.

    Requests that are harmless when repeated are sent again, a few times, if the API does not answer or asks to
    wait (``Retry-After``, for up to a minute). Each method raises ``ApiProblem`` if the API refuses.

    Args:
        base_url: where the API is.
        api_key: shown to the API alone, never to the store.
        timeout: seconds to wait for each part of an answer.
        transport: an ``httpx`` transport for everything that is sent, instead of httpx's own.

    Raises:
        ValueError: the address or the key cannot be used.
    """

    def __init__(
        self,
        base_url: str,
        api_key: str | None = None,
        *,
        timeout: float = 30.0,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._url = transfers.checked_url(base_url)
        self._timeout = timeout
        self._api = httpx.Client(base_url=self._url, headers=transfers.key_headers(api_key), transport=transport)
        # Without the key.
        self._store = httpx.Client(headers=transfers.FETCH_HEADERS, timeout=timeout, transport=transport)

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

    def process(self, number: str) -> Process:
        """What is known of a process, with the first page of its documents."""
        return self._run(flows.asking(calls.process(number)))

    def request(
        self,
        number: str,
        *,
        webhook_url: str | None = None,
        max_age: int | None = None,
        document_ids: Sequence[str] | None = None,
        priority: int | None = None,
        notify: str | None = None,
    ) -> Process:
        """Have a process downloaded; its ``decision`` says what that led to. Harmless when repeated.

        Args:
            number: the process, with or without punctuation.
            webhook_url: called when the run ends.
            max_age: how old the court's listing may be, in seconds; 0 asks the court again.
            document_ids: only these documents, up to 200.
            priority: 1 (first) to 5.
            notify: ``on_end``, or ``always``: also if nothing needs to be downloaded.
        """
        return self._run(
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

    def download(
        self,
        number: str,
        *,
        to: str | Path,
        wait: bool = True,
        overwrite: bool = False,
        timeout: float | None = None,
        webhook_url: str | None = None,
        max_age: int | None = None,
        priority: int | None = None,
        on_progress: Callable[[Progress], None] | None = None,
    ) -> DownloadReport:
        """Have a process downloaded, and save its documents as ``NNN - name.ext``, with a manifest ``autos.json``.

        Files are verified by size and SHA-256 before they get their names; what is there already is not brought
        again. Documents that cannot be had are named in the report.

        Args:
            number: the process.
            to: the folder, made if it is not there; one process each.
            wait: for the end of the run; else only what is available now is saved.
            overwrite: replace files that have a document's name and are something else.
            timeout: seconds to wait for the end of the run; as long as it takes if none.
            webhook_url: as in ``request``, and so are ``max_age`` and ``priority``.
            on_progress: called with how it goes, at times from another thread, never twice at once.

        Raises:
            TookTooLong: the run has not ended in ``timeout`` seconds.
            OSError: the folder cannot be used.
        """
        return self._run(
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

    def status(self, number: str, *, wait: float | None = None) -> Status:
        """How a process goes; with ``wait``, the answer may be held back for so many seconds, up to 30."""
        return self._run(flows.asking(calls.status(number, wait=wait)))

    def wait(self, number: str, *, timeout: float | None = None) -> Status:
        """Wait until no run is open for a process; as long as it takes without a ``timeout`` in seconds.

        Raises:
            TookTooLong: the time is over.
        """
        return self._run(flows.waiting(number, timeout))

    def documents(self, number: str, *, status: str | None = None) -> Iterator[Document]:
        """Every document of a process, in its order; pages are asked for as they are needed."""
        return self._pages(lambda cursor: calls.documents(number, status, cursor))

    def document(self, number: str, document_id: str) -> Document:
        """One document, with a fresh link if it is available."""
        return self._run(flows.asking(calls.document(number, document_id)))

    def content(self, number: str, document_id: str) -> bytes:
        """The bytes of a document, in memory; ``download`` is for large ones."""
        return self._run(flows.reading(number, document_id))

    def retry(self, number: str) -> Status:
        """Take up again what failed."""
        return self._run(flows.asking(calls.act(number, "retry")))

    def pause(self, number: str) -> Status:
        """Have the open run take no further document."""
        return self._run(flows.asking(calls.act(number, "pause")))

    def resume(self, number: str) -> Status:
        """Have a paused run go on."""
        return self._run(flows.asking(calls.act(number, "resume")))

    def cancel(self, number: str) -> Status:
        """End the open run. What is stored stays."""
        return self._run(flows.asking(calls.act(number, "cancel")))

    def processes(self, *, status: str | None = None, court: str | None = None) -> Iterator[ProcessSummary]:
        """Every process, the newest first."""
        return self._pages(lambda cursor: calls.processes(status, court, cursor))

    def failures(self, *, code: str | None = None) -> Iterator[FailureEntry]:
        """Everything that failed, the newest first."""
        return self._pages(lambda cursor: calls.failures(code, cursor))

    def batch(
        self,
        numbers: Sequence[str],
        *,
        webhook_url: str | None = None,
        max_age: int | None = None,
        priority: int | None = None,
    ) -> Batch:
        """Ask for up to 1000 processes at once. Never sent again by itself: each is a batch of its own."""
        return self._run(
            flows.asking(calls.batch(numbers, webhook_url=webhook_url, max_age=max_age, priority=priority))
        )

    def batch_status(self, batch_id: str) -> Batch:
        """How a batch goes, line by line."""
        return self._run(flows.asking(calls.batch_status(batch_id)))

    def deliveries(self, *, status: str | None = None, process_number: str | None = None) -> Iterator[Delivery]:
        """Webhook deliveries, the newest first."""
        return self._pages(lambda cursor: calls.deliveries(status, process_number, cursor))

    def delivery(self, delivery_id: str) -> Delivery:
        """One delivery with its attempts."""
        return self._run(flows.asking(calls.delivery(delivery_id)))

    def redeliver(self, delivery_id: str) -> Delivery:
        """Send an event once more, under its own id."""
        return self._run(flows.asking(calls.redeliver(delivery_id)))

    def redeliver_failed(self, since: datetime) -> Redelivered:
        """Send again what was given up since a time, up to a hundred events, the oldest first.

        Raises:
            ValueError: the time does not say in which zone it is.
        """
        return self._run(flows.asking(calls.redeliver_failed(since)))

    def endpoints(self) -> tuple[Endpoint, ...]:
        """The addresses that take nothing at present, and those that are switched off because of it."""
        return self._run(flows.asking(calls.endpoints()))

    def enable_endpoint(self, endpoint_id: str) -> Endpoint:
        """Have events sent to an address again that was switched off."""
        return self._run(flows.asking(calls.enable_endpoint(endpoint_id)))

    def test_webhook(self, url: str) -> Delivery:
        """Send a ``webhook.test`` event to an address."""
        return self._run(flows.asking(calls.test_webhook(url)))

    def court_status(self) -> CourtStatus:
        """Whether the court answers, and when its token ends."""
        return self._run(flows.asking(calls.court_status()))

    def bring_credentials(self, credentials: Mapping[str, str]) -> CourtStatus:
        """Bring the court's ``token``, ``refresh_token`` or both to the service."""
        return self._run(flows.asking(calls.bring_credentials(credentials)))

    def watch(self, number: str) -> Iterator[Status]:
        """How a process goes, told at each change, up to the end of its run. A broken stream is taken up again."""
        watching = Watching(number)
        while not watching.is_over():
            problem: Unavailable | RateLimited | None = None
            try:
                yield from self._events(watching)
            except (Unavailable, RateLimited) as error:
                problem = error
            if not watching.is_over():
                time.sleep(watching.broken(problem))

    def _events(self, watching: Watching) -> Iterator[Status]:
        arguments = transfers.arguments(watching.call(), transfers.EVENTS_SECONDS)
        lost = None
        try:
            with self._api.stream(**arguments) as response:
                reader = transfers.AnswerReader(response, self._timeout)
                if response.status_code != 200:
                    for piece in response.iter_bytes():
                        reader.take(piece)
                watching.opened(reader.answer())
                if not watching.is_over():
                    for piece in response.iter_bytes():
                        yield from watching.feed(piece)
                        if watching.is_over():
                            break
        except httpx.HTTPError as error:
            lost = transfers.no_answer(self._url, error)
        if lost:
            raise lost

    def _pages(self, page: Callable[[str | None], Call[Any]]) -> Iterator[Any]:
        walk, cursor = PageWalk(), None
        while True:
            found = self._run(flows.asking(page(cursor)))
            yield from found.items
            cursor = walk.after(found)
            if cursor is None:
                return

    def _run(self, flow: Flow[T]) -> T:
        """Carry a flow's steps out."""
        try:
            step = next(flow)
            while True:
                try:
                    result = self._do(step)
                except Exception as error:  # noqa: BLE001 - What to make of it is the flow's to say.
                    step = flow.throw(error)
                else:
                    step = flow.send(result)
        except StopIteration as ended:
            done: T = ended.value
            return done
        finally:
            flow.close()

    def _do(self, step: Step) -> Any:
        match step:
            case Send(call):
                return self._send(call)
            case Fetch(url, sink):
                return self._fetch(url, sink)
            case Pause(seconds):
                return time.sleep(seconds)
            case Work(task):
                return task()
            case Together(several, at_once, stop):
                with ThreadPoolExecutor(at_once) as pool:
                    try:
                        return list(pool.map(self._run, several))
                    except BaseException:
                        stop()
                        pool.shutdown(wait=False, cancel_futures=True)
                        raise

    def _send(self, call: Call[Any]) -> Answer:
        try:
            arguments = transfers.arguments(call, self._timeout)
            with transfers.unlogged(), self._api.stream(**arguments) as response:
                reader = transfers.AnswerReader(response, self._timeout + call.hold_seconds)
                for piece in response.iter_bytes():
                    reader.take(piece)
                return reader.answer()
        except httpx.HTTPError as error:
            lost = transfers.no_answer(f"{self._url}{call.path}", error)
        raise lost

    def _fetch(self, url: str, sink: flows.Sink) -> int:
        try:
            with transfers.unlogged(), self._store.stream("GET", url) as response:
                if response.status_code == 200:
                    for piece in response.iter_raw():
                        sink.write(piece)
                return response.status_code
        except transfers.LOST as error:
            lost = transfers.no_bytes(error)
        raise lost
