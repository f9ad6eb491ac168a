"""The progress and the result of a download."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from autos_client.errors import AutosError
from autos_client.models import Status
from autos_client.wording import counted


@dataclass(frozen=True, slots=True)
class Progress:
    """The progress of a download.

    Attributes:
        status: The newest status of the process at the service.
        files: Documents that are finished: saved, already there, or failed.
        bytes: Bytes that were downloaded so far, or were already there.
    """

    status: Status
    files: int = 0
    bytes: int = 0


@dataclass(frozen=True, slots=True)
class SavedFile:
    """A document that is in the folder, complete and verified."""

    id: str
    path: Path
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class FailedFile:
    """A document that is not in the folder.

    Attributes:
        code: Why. One of the service's failure or problem codes if it failed there. Otherwise ``damaged`` (wrong
            size or SHA-256), ``not_fetched`` (the store did not return it), ``file_exists`` (a file with its name
            has other content) or ``not_saved`` (the folder cannot be written to).
    """

    id: str
    name: str | None
    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class DownloadReport:
    """The result of a download.

    Attributes:
        folder: Where the files are.
        status: The newest status of the process at the service.
        saved: The files that were downloaded now.
        skipped: The files that were already there, with the right digest.
        failed: The documents that are not there, and why.
        pending: How many documents the service has not downloaded from the court yet.
    """

    process_number: str
    folder: Path
    status: Status
    saved: tuple[SavedFile, ...]
    skipped: tuple[SavedFile, ...]
    failed: tuple[FailedFile, ...]
    pending: int

    @property
    def empty(self) -> bool:
        """Whether the court lists no document at all."""
        return self.status.status == "empty"

    @property
    def complete(self) -> bool:
        """Whether every document that the court lists is in the folder."""
        return self.status.status in ("completed", "empty") and not self.failed and not self.pending

    def check(self) -> DownloadReport:
        """Return the report itself if it is complete.

        Raises:
            DownloadFailed: It is not.
        """
        if not self.complete:
            raise DownloadFailed(self)
        return self


class DownloadFailed(AutosError):
    """Not every document is there.

    Attributes:
        report: What is there, and what is not and why.
    """

    def __init__(self, report: DownloadReport) -> None:
        super().__init__(
            f"{report.process_number} is {report.status.status}: "
            f"{counted(len(report.failed), 'document')} failed, {report.pending} not downloaded."
        )
        self.report = report
