"""The blocking client: ``Autos``."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
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


class Autos:
    """A blocking client of the API. Close it, or use it in a ``with`` block. Thread-safe.

    Idempotent requests are retried a few times if the API does not answer or asks to wait (``Retry-After``, up to
    a minute). Each method raises ``ApiProblem`` if the API refuses.

    Args:
        base_url: Where the API is.
        api_key: Sent to the API only, never to the store.
        timeout: Seconds to wait for each part of an answer.
        patience: Seconds to outlive an API, or a store, that does not answer. Idempotent requests are then tried
            again, and not only a few times. A ``Patience`` also reports outages.
        transport: An ``httpx`` transport for all requests, instead of httpx's own.

    Raises:
        ValueError: The address or the key cannot be used.
    """

    def __init__(
        self,
        base_url: str,
        api_key: str | None = None,
        *,
        timeout: float = 30.0,
        patience: float | Patience = 0.0,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._url = transfers.checked_base_url(base_url)
        self._timeout = timeout
        self._patience = patience_of(patience)
        self._api = httpx.Client(base_url=self._url, headers=transfers.key_headers(api_key), transport=transport)
        # Without the key: it downloads from signed links.
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
        """Get a process with the first page of its documents."""
        return self._call(requests.process(number))

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
        """Request the download of a process. Idempotent; ``decision`` says what the request led to.

        Args:
            number: The process, with or without punctuation.
            webhook_url: Called when the run ends.
            max_age: How old the court's listing may be, in seconds. 0 asks the court again.
            document_ids: Only these documents, up to 200. ``None`` means all documents.
            priority: 1 (first) to 5.
            notify: ``on_end``, or ``always``: also if nothing needs to be downloaded.
        """
        return self._call(
            requests.request(
                number,
                webhook_url=webhook_url,
                max_age=max_age,
                document_ids=document_ids,
                priority=priority,
                notify=notify,
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
        patience: float | Patience | None = None,
        start: bool = True,
        on_progress: Callable[[Progress], None] | None = None,
    ) -> DownloadReport:
        """Request a process, and save its documents as ``NNN - name.ext``, with a manifest ``autos.json``.

        Documents are saved as they become available, the manifest at the end of the run. Files are verified by size
        and SHA-256 before they get their names. Files that are already there are not downloaded again. Documents
        that cannot be downloaded are in the report.

        Args:
            number: The process.
            to: The folder, created if missing. Use one folder for each process.
            wait: Wait for the end of the run. If ``False``, save only what is available now.
            overwrite: Replace files that have a document's name but other content.
            timeout: Seconds to wait for the end of the run. ``None`` means no limit.
            webhook_url: As in ``request``, like ``max_age`` and ``priority``.
            patience: As for the client; ``None`` means the client's own. With 600, neither a restart of the API nor
                one of the store fails a document.
            start: Request the process first. If ``False``, follow a run that a former request has started.
            on_progress: Called with the progress, sometimes from another thread, never concurrently.

        Raises:
            TookTooLong: The run has not ended in ``timeout`` seconds.
            OSError: The folder cannot be used.
        """
        return self._run(
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

    def status(self, number: str, *, wait: float | None = None) -> Status:
        """Get the status of a process, held back until it changes for up to ``wait`` seconds (30 at most)."""
        return self._call(requests.status(number, wait=wait))

    def wait(self, number: str, *, timeout: float | None = None) -> Status:
        """Wait until the process has no open run.

        Args:
            number: The process.
            timeout: Seconds to wait. ``None`` means no limit.

        Raises:
            TookTooLong: The time is over.
        """
        return self._run(flows.wait_until_ended(number, timeout, self._patience))

    def documents(self, number: str, *, status: str | None = None) -> Iterator[Document]:
        """Iterate over all documents of a process, in its order. Pages are fetched when needed."""
        return self._iterate_pages(lambda cursor: requests.documents(number, status, cursor))

    def document(self, number: str, document_id: str) -> Document:
        """Get one document, with a fresh link if it is available."""
        return self._call(requests.document(number, document_id))

    def content(self, number: str, document_id: str) -> bytes:
        """Return the bytes of a document. Use ``download`` for large documents: it writes to disk."""
        return self._run(flows.fetch_content(number, document_id, self._patience))

    def retry(self, number: str) -> Status:
        """Retry what failed."""
        return self._call(requests.control(number, "retry"))

    def pause(self, number: str) -> Status:
        """Pause the open run: it starts no further document."""
        return self._call(requests.control(number, "pause"))

    def resume(self, number: str) -> Status:
        """Resume a paused run."""
        return self._call(requests.control(number, "resume"))

    def cancel(self, number: str) -> Status:
        """Cancel the open run. What is stored stays."""
        return self._call(requests.control(number, "cancel"))

    def processes(self, *, status: str | None = None, court: str | None = None) -> Iterator[ProcessSummary]:
        """Iterate over all processes, the newest first."""
        return self._iterate_pages(lambda cursor: requests.processes(status, court, cursor))

    def failures(self, *, code: str | None = None) -> Iterator[FailureEntry]:
        """Iterate over everything that failed, the newest first."""
        return self._iterate_pages(lambda cursor: requests.failures(code, cursor))

    def batch(
        self,
        numbers: Sequence[str],
        *,
        webhook_url: str | None = None,
        max_age: int | None = None,
        priority: int | None = None,
        repeatable: bool = False,
    ) -> Batch:
        """Request up to 1000 processes at once.

        Not retried unless ``repeatable`` is set, because each request creates a batch, and calls the webhook.
        """
        return self._call(
            requests.batch(
                numbers, webhook_url=webhook_url, max_age=max_age, priority=priority, repeatable=repeatable
            )
        )

    def batch_status(self, batch_id: str) -> Batch:
        """Get a batch with the state of each line."""
        return self._call(requests.batch_status(batch_id))

    def batches(self) -> Iterator[BatchSummary]:
        """Iterate over your batches, the newest first. With the scope ``admin``, over those of all clients."""
        return self._iterate_pages(requests.batches)

    def deliveries(self, *, status: str | None = None, process_number: str | None = None) -> Iterator[Delivery]:
        """Iterate over webhook deliveries, the newest first."""
        return self._iterate_pages(lambda cursor: requests.deliveries(status, process_number, cursor))

    def delivery(self, delivery_id: str) -> Delivery:
        """Get one delivery with its attempts."""
        return self._call(requests.delivery(delivery_id))

    def redeliver(self, delivery_id: str) -> Delivery:
        """Redeliver an event under its own id."""
        return self._call(requests.redeliver(delivery_id))

    def redeliver_failed(self, since: datetime) -> Redelivered:
        """Redeliver up to a hundred events that failed for good since a time, the oldest first.

        Raises:
            ValueError: The time has no time zone.
        """
        return self._call(requests.redeliver_failed(since))

    def endpoints(self) -> tuple[Endpoint, ...]:
        """List failing endpoints, and those that are disabled because of it."""
        return self._call(requests.endpoints())

    def enable_endpoint(self, endpoint_id: str) -> Endpoint:
        """Enable an endpoint that was disabled."""
        return self._call(requests.enable_endpoint(endpoint_id))

    def test_webhook(self, url: str) -> Delivery:
        """Send a ``webhook.test`` event to a URL."""
        return self._call(requests.test_webhook(url))

    def court_status(self) -> CourtStatus:
        """Get whether the court answers, and when its token expires."""
        return self._call(requests.court_status())

    def bring_credentials(self, credentials: Mapping[str, str]) -> CourtStatus:
        """Send a new ``token`` for the court, a ``refresh_token``, or both."""
        return self._call(requests.bring_credentials(credentials))

    def watch(self, number: str) -> Iterator[Status]:
        """Stream the status of a process at each change, until its run ends. Reconnects if the stream breaks."""
        stream = StatusStream(number)
        while not stream.is_over():
            problem: Unavailable | RateLimited | None = None
            try:
                yield from self._open_stream(stream)
            except (Unavailable, RateLimited) as error:
                problem = error
            if not stream.is_over():
                time.sleep(stream.reconnect_delay(problem))

    def _open_stream(self, stream: StatusStream) -> Iterator[Status]:
        arguments = transfers.httpx_arguments(stream.call(), transfers.EVENTS_SECONDS)
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
        except httpx.HTTPError as error:
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

    def _run_step(self, step: Step) -> Any:
        match step:
            case Send(call):
                return self._send(call)
            case Download(url, sink):
                return self._download(url, sink)
            case Sleep(seconds):
                return time.sleep(seconds)
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
            arguments = transfers.httpx_arguments(call, self._timeout)
            with transfers.without_http_logs(), self._api.stream(**arguments) as response:
                reader = transfers.AnswerReader(response, self._timeout + call.hold_seconds)
                for piece in response.iter_bytes():
                    reader.take(piece)
                return reader.answer()
        except httpx.HTTPError as error:
            lost = transfers.no_answer_error(f"{self._url}{call.path}", error)
        raise lost

    def _download(self, url: str, sink: flows.Sink) -> int:
        try:
            with transfers.without_http_logs(), self._store.stream("GET", url) as response:
                if response.status_code == 200:
                    for piece in response.iter_raw():
                        sink.write(piece)
                return response.status_code
        except transfers.DOWNLOAD_ERRORS as error:
            lost = transfers.download_error(error)
        raise lost
