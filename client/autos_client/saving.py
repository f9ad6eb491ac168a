"""The flow that saves one document: verified, with retries."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from autos_client import requests
from autos_client.errors import ApiProblem, AutosError, Unavailable
from autos_client.files import Damaged, FileState, VerifiedFile, file_name, rename_former_file, state_of
from autos_client.flows import Download, Flow, RunBlocking, Sleep, is_store_outage, send, store_refusal
from autos_client.models import Document
from autos_client.patience import Party, Patience, Retries
from autos_client.progress import ProgressCounter
from autos_client.reports import FailedFile, SavedFile
from autos_client.waits import backoff_seconds

# For what patience does not help against: a link that is refused, or bytes that are not those of the document.
_MAX_ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class Destination:
    """Where the documents of a process go.

    Attributes:
        digits: The width of the position in the file names.
        overwrite: Whether to replace files that have a document's name but other content.
    """

    number: str
    folder: Path
    digits: int
    overwrite: bool
    patience: Patience
    counter: ProgressCounter

    def path_of(self, position: int, document: Document) -> Path:
        """Return the path of a document's file."""
        return self.folder / file_name(position, document, self.digits)


@dataclass(frozen=True, slots=True)
class SaveResult:
    """What became of one document.

    Attributes:
        is_new: Whether its bytes were downloaded now.
    """

    file: SavedFile | FailedFile
    is_new: bool = False


def save_document(document: Document, position: int, destination: Destination) -> Flow[SaveResult]:
    """Save one document, unless the folder has it already."""
    path = destination.path_of(position, document)
    counter = destination.counter
    try:
        if document.withheld:
            raise _NotSaved(
                "sealed",
                "Above public secrecy, or no longer shown by the court, and the key lacks the scope sealed.",
            )
        yield RunBlocking(lambda: rename_former_file(destination.folder, position, document, destination.digits))
        state = yield RunBlocking(lambda: state_of(path, document))
        if state is FileState.SAME:
            counter.add_bytes(document.size_bytes or 0)
        elif state is FileState.OTHER and not destination.overwrite:
            raise _NotSaved(
                "file_exists", f"{path.name} has other content; it was not changed. With overwrite, it is replaced."
            )
        else:
            yield from _download_document(document, path, destination)
    except _NotSaved as problem:
        return _failure(document, problem.code, problem.detail)
    except ApiProblem as problem:
        return _failure(document, problem.code, problem.detail)
    except AutosError as error:
        return _failure(document, "not_fetched", str(error))
    except OSError as error:
        return _failure(document, "not_saved", error.strerror or type(error).__name__)
    finally:
        counter.add_files(1)
    saved = SavedFile(document.id, path, document.size_bytes or 0, document.sha256 or "")
    return SaveResult(saved, is_new=state is not FileState.SAME)


def _failure(document: Document, code: str, detail: str) -> SaveResult:
    return SaveResult(FailedFile(document.id, document.name, code, detail))


class _NotSaved(Exception):
    """Why a document is not saved; ``code`` and ``detail`` as in ``FailedFile``."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


def _download_document(document: Document, path: Path, destination: Destination) -> Flow[None]:
    """Download one document, with retries. Each retry asks for a fresh link: the first may have expired.

    Raises:
        _NotSaved: Every attempt failed.
        ApiProblem: The API gives no fresh link.
    """
    counter, retries, failed_attempts = destination.counter, Retries(destination.patience, Party.STORE), 0
    link = document.download_url
    while True:
        if link is None:
            call = requests.document(destination.number, document.id)
            link = (yield from send(call, destination.patience)).download_url
        if link is None:
            raise _NotSaved("not_fetched", "The service gives no link to it.")
        file = VerifiedFile(path, document, counter.add_bytes)
        problem: _NotSaved
        delay: float | None = 0.0
        try:
            with file.open() as sink:
                status = yield Download(link, sink)
                if status != 200:
                    raise store_refusal(status)
                yield RunBlocking(sink.commit)
            retries.answered()
            return
        except Damaged as error:
            failed_attempts += 1
            problem = _NotSaved("damaged", str(error))
        except Unavailable as error:
            problem = _NotSaved("not_fetched", error.detail)
            if is_store_outage(error):
                delay = retries.delay_after(error)
            else:
                failed_attempts += 1
        counter.add_bytes(-file.size_bytes)
        if delay is None or failed_attempts >= _MAX_ATTEMPTS:
            raise problem
        delay = delay or (backoff_seconds(failed_attempts) if failed_attempts > 1 else 0.0)
        if delay:
            yield Sleep(delay)
        link = None
