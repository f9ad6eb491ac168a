"""The flow behind ``download``: from the request to verified files in a folder."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from autos_client import requests
from autos_client.errors import ApiProblem, AutosError, Unavailable
from autos_client.files import (
    Damaged,
    Stopped,
    VerifiedFile,
    digits_for,
    file_name,
    has_content,
    rename_former_file,
    write_manifest,
)
from autos_client.flows import Download, Flow, Parallel, RunBlocking, Sleep, backoff_seconds, send, wait_until_ended
from autos_client.models import Document, DocumentPage, Process, Status
from autos_client.paging import PageGuard
from autos_client.reports import DownloadReport, FailedFile, Progress, SavedFile
from autos_client.requests import LONGEST_HOLD_SECONDS, Call

MAX_PARALLEL_DOWNLOADS = 4
_MAX_ATTEMPTS = 3
_REPORT_EVERY_BYTES = 1024 * 1024

# A file, and whether its bytes were downloaded now.
SaveResult = tuple[SavedFile | FailedFile, bool]


@dataclass
class ProgressCounter:
    """Counts what concurrent downloads do, and calls ``on_progress``, one call at a time."""

    on_progress: Callable[[Progress], None] | None
    progress: Progress | None = None
    _reported_bytes: int = 0
    _stopped: threading.Event = field(default_factory=threading.Event)
    # The blocking client downloads in threads.
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def set_status(self, status: Status) -> None:
        """Take the service's newest status."""
        self._update(lambda now: replace(now, status=status) if now else Progress(status))

    def add_bytes(self, number: int) -> None:
        """Count bytes. A negative number takes back what a failed attempt has counted.

        Raises:
            Stopped: The download is ended early.
        """
        if self._stopped.is_set():
            raise Stopped
        self._update(lambda now: now and replace(now, bytes=now.bytes + number), only_bytes=number > 0)

    def add_file(self) -> None:
        """Count one file that is finished: saved, already there, or failed."""
        self._update(lambda now: now and replace(now, files=now.files + 1))

    def stop(self) -> None:
        """Make every download raise ``Stopped`` at its next bytes."""
        self._stopped.set()

    def _update(self, change: Callable[[Progress | None], Progress | None], *, only_bytes: bool = False) -> None:
        with self._lock:
            self.progress = change(self.progress)
            if self.on_progress is None or self.progress is None:
                return
            if only_bytes and 0 <= self.progress.bytes - self._reported_bytes < _REPORT_EVERY_BYTES:
                return
            self._reported_bytes = self.progress.bytes
            self.on_progress(self.progress)


def download_process(
    request: Call[Process],
    number: str,
    folder: Path,
    *,
    wait: bool,
    overwrite: bool,
    timeout: float | None,
    on_progress: Callable[[Progress], None] | None,
) -> Flow[DownloadReport]:
    """Request a process, wait for its run, and save the documents that are available.

    Raises:
        OSError: The folder cannot be made or written to.
        TookTooLong: The run has not ended in ``timeout`` seconds.
        AutosError: The API refused, or did not answer.
    """
    counter = ProgressCounter(on_progress)
    yield from send(request)
    if wait:
        # Often enough for a progress bar, if there is one.
        hold = 1.0 if on_progress else float(LONGEST_HOLD_SECONDS)
        status = yield from wait_until_ended(number, timeout, hold=hold, on_status=counter.set_status)
    else:
        status = yield from send(requests.status(number))
        counter.set_status(status)
    yield RunBlocking(lambda: folder.mkdir(parents=True, exist_ok=True))
    return (yield from _save_documents(status, folder, overwrite, counter))


def _save_documents(
    status: Status, folder: Path, overwrite: bool, counter: ProgressCounter
) -> Flow[DownloadReport]:
    number = status.process_number
    saved: list[SavedFile] = []
    skipped: list[SavedFile] = []
    failed: list[FailedFile] = []
    pending = 0
    digits = digits_for(status.total_documents)
    guard, position, cursor = PageGuard(), 0, None
    while True:
        # Page by page, so that the links are young when they are used.
        page: DocumentPage = yield from send(requests.documents(number, None, cursor))
        by_position = dict(enumerate(page.items, position + 1))
        position += len(page.items)
        pending += sum(document.status == "pending" for document in page.items)
        failed += [_failed_at_service(document) for document in page.items if document.status == "failed"]
        flows = _document_flows(number, folder, by_position, digits, overwrite, counter)
        for file, downloaded in (yield Parallel(flows, MAX_PARALLEL_DOWNLOADS, counter.stop)):
            if isinstance(file, FailedFile):
                failed.append(file)
            else:
                (saved if downloaded else skipped).append(file)
        cursor = guard.cursor_after(page)
        if cursor is None:
            break
    if saved or skipped:
        yield RunBlocking(lambda: write_manifest(folder, number, saved + skipped))
    return DownloadReport(number, folder, status, tuple(saved), tuple(skipped), tuple(failed), pending)


def _failed_at_service(document: Document) -> FailedFile:
    failure = document.failure
    return _failed_file(document, failure.code if failure else "failed", failure.answer if failure else "")


def _failed_file(document: Document, code: str, detail: str) -> FailedFile:
    return FailedFile(document.id, document.name, code, detail)


def _document_flows(
    number: str,
    folder: Path,
    by_position: dict[int, Document],
    digits: int,
    overwrite: bool,
    counter: ProgressCounter,
) -> Iterator[Flow[SaveResult]]:
    for position, document in by_position.items():
        if document.status == "available":
            yield _save_document(number, document, folder, position, digits, overwrite, counter)


def _save_document(
    number: str,
    document: Document,
    folder: Path,
    position: int,
    digits: int,
    overwrite: bool,
    counter: ProgressCounter,
) -> Flow[SaveResult]:
    """Save one document, unless the folder has it already."""
    path = folder / file_name(position, document, digits)
    try:
        if document.withheld:
            raise _NotSaved(
                "sealed",
                "Above public secrecy, or no longer shown by the court, and the key lacks the scope sealed.",
            )
        yield RunBlocking(lambda: rename_former_file(folder, position, document, digits))
        is_there = yield RunBlocking(lambda: has_content(path, document))
        if is_there:
            counter.add_bytes(document.size_bytes or 0)
        elif path.exists() and not overwrite:
            raise _NotSaved("file_exists", f"{path.name} has other content; it was not changed.")
        else:
            yield from _download_document(number, document, path, counter)
    except _NotSaved as problem:
        return _failed_file(document, problem.code, problem.detail), False
    except ApiProblem as problem:
        return _failed_file(document, problem.code, problem.detail), False
    except AutosError as error:
        return _failed_file(document, "not_fetched", str(error)), False
    except OSError as error:
        return _failed_file(document, "not_saved", error.strerror or type(error).__name__), False
    finally:
        counter.add_file()
    return SavedFile(document.id, path, document.size_bytes or 0, document.sha256 or ""), not is_there


class _NotSaved(Exception):
    """Why a document is not saved; ``code`` and ``detail`` as in ``FailedFile``."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


def _download_document(number: str, document: Document, path: Path, counter: ProgressCounter) -> Flow[None]:
    """Download one document, with retries. Each retry asks for a fresh link: the first may have expired.

    Raises:
        _NotSaved: Every attempt failed.
    """
    problem = _NotSaved("not_fetched", "The service gives no link to it.")
    for attempt in range(_MAX_ATTEMPTS):
        if attempt or document.download_url is None:
            if attempt > 1:
                yield Sleep(backoff_seconds(attempt))
            document = yield from send(requests.document(number, document.id))
        if document.download_url is None:
            break
        file = VerifiedFile(path, document, counter.add_bytes)
        try:
            with file.open() as sink:
                status = yield Download(document.download_url, sink)
                if status != 200:
                    raise _NotSaved("not_fetched", f"The store answers HTTP {status}.")
            return
        except Damaged as error:
            problem = _NotSaved("damaged", str(error))
        except Unavailable as error:
            problem = _NotSaved("not_fetched", error.detail)
        except _NotSaved as error:
            problem = error
        counter.add_bytes(-file.size_bytes)
    raise problem
