"""The flow behind ``download``: from the request to verified files in a folder."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

from autos_client import requests
from autos_client.files import digits_for, write_manifest
from autos_client.flows import Flow, Parallel, RunBlocking, send, wait_until_ended
from autos_client.models import Document, DocumentPage, Process, Status
from autos_client.paging import PageGuard
from autos_client.patience import Patience
from autos_client.progress import ProgressCounter
from autos_client.reports import DownloadReport, FailedFile, Progress, SavedFile
from autos_client.requests import LONGEST_HOLD_SECONDS, Call
from autos_client.saving import Destination, SaveResult, save_document

MAX_PARALLEL_DOWNLOADS = 4
# While the run is open, pages are read no faster than this on average, however many documents the process has.
_SECONDS_PER_PAGE = 1.0


def download_process(
    request: Call[Process] | None,
    number: str,
    folder: Path,
    *,
    patience: Patience,
    wait: bool,
    overwrite: bool,
    timeout: float | None,
    on_progress: Callable[[Progress], None] | None,
) -> Flow[DownloadReport]:
    """Request a process, follow its run, and save documents as they become available.

    Raises:
        OSError: The folder cannot be made or written to.
        TookTooLong: The run has not ended in ``timeout`` seconds.
        AutosError: The API refused, or did not answer.
    """
    counter = ProgressCounter(on_progress)
    if request is not None:
        yield from send(request, patience)
    yield RunBlocking(lambda: folder.mkdir(parents=True, exist_ok=True))
    collection = _Collection(number, folder, overwrite, patience, counter)
    if wait:
        status = yield from wait_until_ended(
            number, timeout, patience, at_each_change=collection.save_what_is_available
        )
    else:
        status = yield from send(requests.status(number), patience)
        counter.set_status(status)
    return (yield from collection.save_all(status))


class _Collection:
    """The documents of one process, saved over one or more passes through its pages.

    While the run is open, a pass begins at the first page that is not finished, and ends when every document that
    the status counts as available has been seen. The last pass, after the run, reads every page.
    """

    def __init__(
        self, number: str, folder: Path, overwrite: bool, patience: Patience, counter: ProgressCounter
    ) -> None:
        """Start with nothing saved."""
        self._number = number
        self._folder = folder
        self._overwrite = overwrite
        self._patience = patience
        self._counter = counter
        # By document id, what was saved or failed to be saved by this download.
        self._results: dict[str, SaveResult] = {}
        self._first_unfinished: tuple[str | None, int] = (None, 0)
        self._available_in_last_pass = 0
        self._next_pass_at = 0.0

    def save_what_is_available(self, status: Status) -> Flow[float]:
        """Save documents while the run is open. Return the seconds after which to call again at the latest."""
        self._counter.set_status(status)
        if status.ended or status.available_documents <= self._available_in_last_pass:
            return float(LONGEST_HOLD_SECONDS)
        if (rest := self._next_pass_at - time.monotonic()) > 0:
            return max(rest, _SECONDS_PER_PAGE)
        pages = yield from self._pass_over_unfinished(status)
        self._available_in_last_pass = status.available_documents
        self._next_pass_at = time.monotonic() + pages * _SECONDS_PER_PAGE
        return float(LONGEST_HOLD_SECONDS)

    def save_all(self, status: Status) -> Flow[DownloadReport]:
        """Save everything that is available and not saved yet, and return the report."""
        saved: list[SavedFile] = []
        skipped: list[SavedFile] = []
        failed: list[FailedFile] = []
        pending = 0
        destination = self._destination(status)
        guard, position, cursor = PageGuard(), 0, None
        while True:
            # Page by page, so that the links are young when they are used.
            page: DocumentPage = yield from send(requests.documents(self._number, None, cursor), self._patience)
            pending += sum(document.status == "pending" for document in page.items)
            failed += [_failed_at_service(document) for document in page.items if document.status == "failed"]
            yield from self._save(page, position, destination, again=True)
            for document in page.items:
                result = self._results.get(document.id) if document.status == "available" else None
                if result and isinstance(result.file, FailedFile):
                    failed.append(result.file)
                elif result and isinstance(result.file, SavedFile):
                    (saved if result.is_new else skipped).append(result.file)
            position += len(page.items)
            cursor = guard.cursor_after(page)
            if cursor is None:
                break
        if saved or skipped:
            yield RunBlocking(lambda: write_manifest(self._folder, status.process_number, saved + skipped))
        return DownloadReport(
            status.process_number, self._folder, status, tuple(saved), tuple(skipped), tuple(failed), pending
        )

    def _pass_over_unfinished(self, status: Status) -> Flow[int]:
        """Save what is available, from the first unfinished page on. Return how many pages were read."""
        destination, guard, pages, is_finished = self._destination(status), PageGuard(), 0, True
        cursor, position = self._first_unfinished
        while True:
            page: DocumentPage = yield from send(requests.documents(self._number, None, cursor), self._patience)
            pages += 1
            yield from self._save(page, position, destination, again=False)
            cursor, position = guard.cursor_after(page), position + len(page.items)
            is_finished = is_finished and all(document.status != "pending" for document in page.items)
            if is_finished and cursor is not None:
                self._first_unfinished = (cursor, position)
            if cursor is None or len(self._results) >= status.available_documents:
                return pages

    def _destination(self, status: Status) -> Destination:
        digits = digits_for(status.total_documents)
        return Destination(self._number, self._folder, digits, self._overwrite, self._patience, self._counter)

    def _save(self, page: DocumentPage, position: int, destination: Destination, *, again: bool) -> Flow[None]:
        """Save the available documents of a page.

        Args:
            page: The page.
            position: The position of the document before the page.
            destination: Where to.
            again: Whether to try again what failed to be saved, and to adapt names to what has changed since.
        """
        unsaved: dict[int, Document] = {}
        for place, document in enumerate(page.items, position + 1):
            if document.status != "available":
                continue
            result = self._results.get(document.id)
            if result is None or (again and not _is_saved(result, document)):
                unsaved[place] = document
            elif again:
                yield from self._rename(document, place, destination)
        self._counter.add_files(-sum(document.id in self._results for document in unsaved.values()))
        flows = _document_flows(unsaved, destination)
        results = yield Parallel(flows, MAX_PARALLEL_DOWNLOADS, self._counter.stop)
        self._results |= {result.file.id: result for result in results}

    def _rename(self, document: Document, position: int, destination: Destination) -> Flow[None]:
        """Rename a file that this download has saved, if the name or the number of documents has changed since."""
        result, path = self._results[document.id], destination.path_of(position, document)
        if isinstance(result.file, SavedFile) and result.file.path != path and not path.exists():
            former = result.file
            yield RunBlocking(lambda: former.path.rename(path))
            self._results[document.id] = SaveResult(
                SavedFile(former.id, path, former.size_bytes, former.sha256), result.is_new
            )


def _document_flows(documents: dict[int, Document], destination: Destination) -> Iterator[Flow[SaveResult]]:
    for position, document in documents.items():
        yield save_document(document, position, destination)


def _is_saved(result: SaveResult, document: Document) -> bool:
    return isinstance(result.file, SavedFile) and result.file.sha256 == document.sha256


def _failed_at_service(document: Document) -> FailedFile:
    failure = document.failure
    code, detail = (failure.code, failure.answer) if failure else ("failed", "")
    return FailedFile(document.id, document.name, code, detail)
