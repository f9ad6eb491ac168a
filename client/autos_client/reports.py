"""What a download has led to."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from autos_client.errors import DownloadFailed
from autos_client.models import Status


@dataclass(frozen=True, slots=True)
class Progress:
    """How a download goes.

    Attributes:
        status: the process as the service told it last.
        files: documents that are done with: saved, there already, or failed.
        bytes: what was brought so far, or was there already.
    """

    status: Status
    files: int = 0
    bytes: int = 0


@dataclass(frozen=True, slots=True)
class SavedFile:
    """A document that is in the folder, whole and verified."""

    id: str
    path: Path
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class FailedFile:
    """A document that is not in the folder.

    Attributes:
        code: why. One of the service's failure or problem codes if it failed there; else ``damaged`` (size or
            SHA-256 are not as stated), ``not_fetched`` (the store did not give it), ``file_exists`` (something else
            has its name) or ``not_saved`` (the folder did not take it).
    """

    id: str
    name: str | None
    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class DownloadReport:
    """What a download has led to.

    Attributes:
        folder: where the files are.
        status: the process as the service told it last.
        saved: what was brought now.
        skipped: what was there already, with the right digest.
        failed: what is not there, and why.
        pending: how many documents the service has not brought from the court yet.
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
        """Give the report back if it is complete.

        Raises:
            DownloadFailed: it is not.
        """
        if not self.complete:
            raise DownloadFailed(self)
        return self
