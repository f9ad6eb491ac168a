"""A process, from the request to verified files, as a flow."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from autos_client import calls
from autos_client.calls import LONGEST_HOLD_SECONDS, Call
from autos_client.errors import ApiProblem, AutosError, Unavailable
from autos_client.files import (
    Damaged,
    Stopped,
    VerifiedFile,
    adopt_former_name,
    digits_of,
    file_name,
    is_the_document,
    write_manifest,
)
from autos_client.flows import Fetch, Flow, Pause, Together, Work, asking, growing, waiting
from autos_client.models import Document, DocumentPage, Process, Status
from autos_client.paging import PageWalk
from autos_client.reports import DownloadReport, FailedFile, Progress, SavedFile

AT_ONCE = 4
_TRIES = 3
_TELL_BYTES = 1024 * 1024


@dataclass
class Tally:
    """Counts what several transfers do, and tells the caller of it, one call at a time."""

    tell: Callable[[Progress], None] | None
    progress: Progress | None = None
    _told_bytes: int = 0
    _stopped: threading.Event = field(default_factory=threading.Event)
    # Transfers of the blocking client run in threads.
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def status(self, status: Status) -> None:
        """Take the service's word."""
        self._change(lambda now: replace(now, status=status) if now else Progress(status))

    def add(self, number: int) -> None:
        """Count bytes.

        Raises:
            Stopped: the download is ended early.
        """
        if self._stopped.is_set():
            raise Stopped
        self._change(lambda now: now and replace(now, bytes=now.bytes + number), of_bytes=number > 0)

    def done(self) -> None:
        """Count a file."""
        self._change(lambda now: now and replace(now, files=now.files + 1))

    def stop(self) -> None:
        """End every transfer at its next bytes."""
        self._stopped.set()

    def _change(self, change: Callable[[Progress | None], Progress | None], *, of_bytes: bool = False) -> None:
        with self._lock:
            self.progress = change(self.progress)
            if self.tell is None or self.progress is None:
                return
            if of_bytes and 0 <= self.progress.bytes - self._told_bytes < _TELL_BYTES:
                return
            self._told_bytes = self.progress.bytes
            self.tell(self.progress)


def downloading(
    request: Call[Process],
    number: str,
    folder: Path,
    *,
    wait: bool,
    overwrite: bool,
    timeout: float | None,
    on_progress: Callable[[Progress], None] | None,
) -> Flow[DownloadReport]:
    """Ask for a process, wait for its documents, and save those that are available.

    Raises:
        OSError: the folder cannot be made or written to.
        TookTooLong: the run has not ended in ``timeout`` seconds.
        AutosError: the API refused, or did not answer.
    """
    tally = Tally(on_progress)
    yield from asking(request)
    if wait:
        # Often enough for a progress bar, if somebody looks at one.
        hold = 1.0 if on_progress else float(LONGEST_HOLD_SECONDS)
        status = yield from waiting(number, timeout, hold=hold, tell=tally.status)
    else:
        status = yield from asking(calls.status(number))
        tally.status(status)
    number = status.process_number
    saved: list[SavedFile] = []
    skipped: list[SavedFile] = []
    failed: list[FailedFile] = []
    pending = 0
    yield Work(lambda: folder.mkdir(parents=True, exist_ok=True))
    digits = digits_of(status.total_documents)
    walk, position, cursor = PageWalk(), 0, None
    while True:
        # A page at a time, so that its links are young when they are opened.
        page: DocumentPage = yield from asking(calls.documents(number, None, cursor))
        at = dict(enumerate(page.items, position + 1))
        position += len(page.items)
        pending += sum(document.status == "pending" for document in at.values())
        failed += [_failed_there(document) for document in at.values() if document.status == "failed"]
        transfers = _transfers(number, folder, at, digits, overwrite, tally)
        for result in (yield Together(transfers, AT_ONCE, tally.stop)):
            file, brought = result
            if isinstance(file, FailedFile):
                failed.append(file)
            else:
                (saved if brought else skipped).append(file)
        cursor = walk.after(page)
        if cursor is None:
            break
    if saved or skipped:
        yield Work(lambda: write_manifest(folder, number, saved + skipped))
    return DownloadReport(number, folder, status, tuple(saved), tuple(skipped), tuple(failed), pending)


def _failed_there(document: Document) -> FailedFile:
    failure = document.failure
    return _not_saved(document, failure.code if failure else "failed", failure.answer if failure else "")


def _not_saved(document: Document, code: str, detail: str) -> FailedFile:
    return FailedFile(document.id, document.name, code, detail)


def _transfers(
    number: str, folder: Path, at: dict[int, Document], digits: int, overwrite: bool, tally: Tally
) -> Iterator[Flow[tuple[SavedFile | FailedFile, bool]]]:
    for position, document in at.items():
        if document.status == "available":
            yield _saving(number, document, folder, position, digits, overwrite, tally)


def _saving(
    number: str, document: Document, folder: Path, position: int, digits: int, overwrite: bool, tally: Tally
) -> Flow[tuple[SavedFile | FailedFile, bool]]:
    """Save one document, unless it is there. The result also says whether its bytes were brought now."""
    path = folder / file_name(position, document, digits)
    try:
        if document.withheld:
            return _not_saved(
                document,
                "sealed",
                "Above public secrecy, or no longer shown by the court, and the key lacks the scope sealed.",
            ), False
        yield Work(lambda: adopt_former_name(folder, position, document, digits))
        there = yield Work(lambda: is_the_document(path, document))
        if there:
            tally.add(document.size_bytes or 0)
        elif path.exists() and not overwrite:
            return _not_saved(
                document, "file_exists", f"{path.name} is something else; it was left as it is."
            ), False
        else:
            yield from _bringing(number, document, path, tally)
    except _Missing as missing:
        return _not_saved(document, missing.code, missing.detail), False
    except ApiProblem as problem:
        return _not_saved(document, problem.code, problem.detail), False
    except AutosError as error:
        return _not_saved(document, "not_fetched", str(error)), False
    except OSError as error:
        return _not_saved(document, "not_saved", error.strerror or type(error).__name__), False
    finally:
        tally.done()
    return SavedFile(document.id, path, document.size_bytes or 0, document.sha256 or ""), not there


class _Missing(Exception):
    """Why a document is not saved."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


def _bringing(number: str, document: Document, path: Path, tally: Tally) -> Flow[None]:
    """Bring one document's bytes, each further time behind a fresh link: the first may have ended meanwhile."""
    missing = _Missing("not_fetched", "The service gives no link to it.")
    for tried in range(_TRIES):
        if tried or document.download_url is None:
            if tried > 1:
                yield Pause(growing(tried))
            document = yield from asking(calls.document(number, document.id))
        if document.download_url is None:
            break
        file = VerifiedFile(path, document, tally.add)
        try:
            with file.open() as sink:
                status = yield Fetch(document.download_url, sink)
                if status != 200:
                    raise _Missing("not_fetched", f"The store answers HTTP {status}.")
            return
        except Damaged as error:
            missing = _Missing("damaged", str(error))
        except Unavailable as error:
            missing = _Missing("not_fetched", error.detail)
        except _Missing as error:
            missing = error
        tally.add(-file.size_bytes)
    raise missing
