"""When a process is complete, when it is settled, and what its status is called."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class ProcessStatus(StrEnum):
    """What a process answer says of the process; derived at each read, never stored."""

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
    """What a request for a download led to."""

    COMPLETE = "complete"
    SETTLED = "settled"
    ACTIVE = "active"
    STARTED = "started"


@dataclass(frozen=True, slots=True)
class Completeness:
    """The documents of one listing, counted by what became of them.

    Attributes:
        failed_for_good: failed for a reason that a later request cannot change.
        failed_retryable: failed for a reason that it could.
        no_content: listed by the court, which has neither a file nor a text of them. They are not missing.
    """

    available: int = 0
    pending: int = 0
    failed_for_good: int = 0
    failed_retryable: int = 0
    available_bytes: int = 0
    no_content: int = 0

    @property
    def total(self) -> int:
        """How many documents the listing names."""
        return self.available + self.pending + self.failed + self.no_content

    @property
    def failed(self) -> int:
        """How many documents failed, for whatever reason. A piece that has no content has not failed."""
        return self.failed_for_good + self.failed_retryable

    @property
    def complete(self) -> bool:
        """Whether every listed document that has a content is available. An empty listing is not complete."""
        return self.total > 0 and self.available + self.no_content == self.total

    @property
    def settled(self) -> bool:
        """Whether no run could change anything."""
        return self.pending == 0 and self.failed_retryable == 0

    @property
    def progress_percentage(self) -> float:
        """Share of the documents that there is nothing left to do for, 0 to 100; 100 only when complete."""
        if self.total == 0:
            return 0.0
        return int(1000 * (self.available + self.no_content) / self.total) / 10

    @property
    def outcome(self) -> Outcome:
        """How a run that can do no more has ended, as far as the documents say."""
        return Outcome.PARTIAL if self.available + self.no_content < self.total else Outcome.COMPLETED


def process_status(documents: Completeness, *, listed: bool, process_failed: bool, run_open: bool) -> ProcessStatus:
    """Name the status of a process.

    Args:
        documents: the count of its documents.
        listed: whether the court has ever listed it to us.
        process_failed: whether the last run failed by the process's own fault.
        run_open: whether Temporal has an open run for it.
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
