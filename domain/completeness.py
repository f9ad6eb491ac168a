"""When a process is complete, when it is settled, and which status it has."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class ProcessStatus(StrEnum):
    """The status of a process, as answers state it. Derived at each read, never stored."""

    PENDING = "pending"
    PROCESSING = "processing"
    COMPLETED = "completed"
    PARTIAL = "partial"
    FAILED = "failed"
    EMPTY = "empty"


class Phase(StrEnum):
    """What an open run is doing."""

    LISTING = "listing"
    DOWNLOADING = "downloading"
    PAUSED = "paused"
    WAITING_FOR_COURT = "waiting_for_court"
    WAITING_FOR_STORE = "waiting_for_store"
    FINISHING = "finishing"


class Outcome(StrEnum):
    """How a run ended."""

    COMPLETED = "completed"
    PARTIAL = "partial"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Decision(StrEnum):
    """The result of a request for a download."""

    COMPLETE = "complete"
    SETTLED = "settled"
    ACTIVE = "active"
    STARTED = "started"


@dataclass(frozen=True, slots=True)
class Completeness:
    """The documents of one listing, counted by their state.

    Attributes:
        failed_for_good: Failed for a permanent reason.
        failed_retryable: Failed for a reason that a later request could overcome.
        no_content: Listed by the court, which has neither a file nor a text of them. They do not count as missing.
    """

    available: int = 0
    pending: int = 0
    failed_for_good: int = 0
    failed_retryable: int = 0
    available_bytes: int = 0
    no_content: int = 0

    @property
    def total(self) -> int:
        """The number of documents in the listing."""
        return self.available + self.pending + self.failed + self.no_content

    @property
    def failed(self) -> int:
        """The number of documents that failed, for any reason. Documents without content have not failed."""
        return self.failed_for_good + self.failed_retryable

    @property
    def complete(self) -> bool:
        """Whether every listed document that has content is available. An empty listing is not complete."""
        return self.total > 0 and self.available + self.no_content == self.total

    @property
    def settled(self) -> bool:
        """Whether a run could not change anything."""
        return self.pending == 0 and self.failed_retryable == 0

    @property
    def progress_percentage(self) -> float:
        """Share of the documents with nothing left to do, 0 to 100. It is 100 only when complete."""
        if self.total == 0:
            return 0.0
        return int(1000 * (self.available + self.no_content) / self.total) / 10

    @property
    def outcome(self) -> Outcome:
        """The outcome of a run that has finished, judged by the documents alone."""
        return Outcome.PARTIAL if self.available + self.no_content < self.total else Outcome.COMPLETED


def process_status(documents: Completeness, *, listed: bool, process_failed: bool, run_open: bool) -> ProcessStatus:
    """Return the status of a process.

    Args:
        documents: The counts of its documents.
        listed: Whether the court has ever listed it to us.
        process_failed: Whether the last run failed through the process's own fault.
        run_open: Whether Temporal has an open run for it.
    """
    if run_open:
        return ProcessStatus.PROCESSING
    if process_failed:
        return ProcessStatus.FAILED
    if documents.complete:
        return ProcessStatus.COMPLETED
    if documents.pending or not listed:
        return ProcessStatus.PENDING
    if documents.total == 0:
        return ProcessStatus.EMPTY
    return ProcessStatus.PARTIAL
