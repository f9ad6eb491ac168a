"""Temporal messages about runs: ids and counts only. Never links, tokens, bytes or names of parties.

A field that is added later needs a default, so that histories recorded before it still replay.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from domain.completeness import Completeness, Outcome
from domain.delivery_messages import DeliveryRef
from domain.errors import FailureCode

# The choice of a run that only lists: it stands for no document, since an empty choice means all.
NO_DOCUMENT = "none"


def real_choice(document_ids: Iterable[str]) -> tuple[str, ...]:
    """Return the chosen ids that are those of documents, each once."""
    return tuple(dict.fromkeys(one for one in document_ids if one != NO_DOCUMENT))


def count_chosen(document_ids: Collection[str]) -> int:
    """Return how many documents are chosen. 0 means all, and -1 none."""
    return (len(real_choice(document_ids)) or -1) if document_ids else 0


def read_chosen_count(count: int | None) -> int | None:
    """Return the number of chosen documents for what `count_chosen` has returned. None means all, and 0 none."""
    return max(count, 0) if count else None


@dataclass(frozen=True, slots=True)
class RunEnding:
    """How a run ends.

    Attributes:
        failure_code: Why the process failed, if the outcome is ``failed``.
        answer: What the court answered then.
    """

    outcome: Outcome
    failure_code: FailureCode | None = None
    answer: str = ""


@dataclass(frozen=True, slots=True)
class RunProgress:
    """What a run carries over when it continues as new.

    Attributes:
        listed: The court's listing is already in the catalog.
        downloaded: Number of documents that this run made available.
        failed: Number of documents that this run gave up on.
        downloaded_bytes: Number of bytes that this run stored.
        paused: An operator has paused the run.
        ending: How the run ends. Set once it is known and only the subscribers still have to be notified.
        announced: Number of the last delivery that was started. Deliveries are numbered in increasing order.
        ending_execution: Id of the execution that reached the ending. The catalog records it with the end.
        widened: More documents were requested during the run, and those that had failed must be retried.
        named: Ids requested explicitly while the run was for all documents, still to be retried.
    """

    listed: bool = False
    downloaded: int = 0
    failed: int = 0
    downloaded_bytes: int = 0
    paused: bool = False
    ending: RunEnding | None = None
    announced: int = 0
    ending_execution: str = ""
    widened: bool = False
    named: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DownloadRequest:
    """Input of ``DownloadProcess``.

    Attributes:
        process_number: The canonical number, which is also the workflow's id.
        client: Name of the API client that started the run.
        document_ids: Ids to download. Empty means all documents.
        retry_permanent: Also retry documents that failed for a permanent reason.
        is_look: The run was started because the process is watched, not by a request of the client.
    """

    process_number: str
    client: str = "local"
    progress: RunProgress = field(default_factory=RunProgress)
    document_ids: tuple[str, ...] = ()
    retry_permanent: bool = False
    is_look: bool = False


@dataclass(frozen=True, slots=True)
class DocumentChoice:
    """A request to an open run for more documents.

    Attributes:
        document_ids: Ids to download. Empty means all documents.
    """

    document_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RunResult:
    """Result of ``DownloadProcess``, as Temporal's UI shows it."""

    outcome: Outcome
    total_documents: int
    available_documents: int
    failed_documents: int
    downloaded_documents: int
    downloaded_bytes: int
    failure_code: FailureCode | None = None


@dataclass(frozen=True, slots=True)
class RunOpening:
    """Records that a run has begun.

    Attributes:
        run_id: Run id of the first execution, the same over every continue-as-new.
        document_ids: Ids to download, retried whatever they failed for. Empty means all documents.
        retry_permanent: Retry all documents, whatever they failed for.
        named: Further ids to retry, whatever they failed for.
        is_look: The run was started because the process is watched.
    """

    process_number: str
    run_id: str
    client: str
    document_ids: tuple[str, ...] = ()
    retry_permanent: bool = False
    named: tuple[str, ...] = ()
    is_look: bool = False


@dataclass(frozen=True, slots=True)
class RunRef:
    """A reference to a run.

    Attributes:
        started_at: When it was started, in ISO 8601. Runs are ordered by it.
    """

    process_number: str
    run_id: str
    started_at: str = ""


@dataclass(frozen=True, slots=True)
class ProcessRef:
    """A reference to a process, or to some of its documents.

    Attributes:
        document_ids: Ids of the documents. Empty means all documents.
    """

    process_number: str
    document_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ListingSummary:
    """The result of listing a process at the court."""

    total_documents: int
    new_documents: int


@dataclass(frozen=True, slots=True)
class PendingPageRequest:
    """A request for the next page of pending documents.

    Attributes:
        after_position: Position of the last document of the page before.
        limit: Maximum number of documents in the page.
        document_ids: Only these documents. Empty means all documents.
    """

    process_number: str
    after_position: int
    limit: int
    document_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DocumentRef:
    """A reference to a document.

    Attributes:
        position: Its place in the process, for people who read histories.
    """

    process_number: str
    document_id: str
    position: int


@dataclass(frozen=True, slots=True)
class PendingPage:
    """Pending documents in the order of their positions. Empty when there are none left."""

    documents: tuple[DocumentRef, ...]


@dataclass(frozen=True, slots=True)
class DownloadedDocument:
    """Result of a download that made a document available.

    Attributes:
        size_bytes: Size of the document.
        fetched: False if an earlier attempt had already stored it, so that the court was not asked.
    """

    size_bytes: int
    fetched: bool


@dataclass(frozen=True, slots=True)
class DocumentGivenUp:
    """A document that could not be downloaded, for a reason that the download itself could not record."""

    document: DocumentRef
    code: FailureCode
    answer: str


@dataclass(frozen=True, slots=True)
class RunClosing:
    """Records how a run ended, and asks for the webhooks to send.

    Attributes:
        after_delivery: Deliveries up to this number are already started.
        chosen_documents: Number of documents that the run was for, as `count_chosen` returns it.
        execution: Temporal's id of the execution that reached the ending.
    """

    process_number: str
    run_id: str
    ending: RunEnding
    after_delivery: int = 0
    chosen_documents: int = 0
    execution: str = ""


@dataclass(frozen=True, slots=True)
class ClosedRun:
    """The result of closing a run.

    Attributes:
        documents: The final document counts.
        deliveries: Deliveries to start now, at most one page. Empty when every subscriber of the run has one.
        failures: Number of failed documents of the process, by failure code.
    """

    documents: Completeness
    deliveries: tuple[DeliveryRef, ...]
    failures: Mapping[str, int] = field(default_factory=dict)
