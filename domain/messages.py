"""What travels through Temporal: ids and counts only. Never links, tokens, bytes or names.

Every field added later needs a default, so that histories recorded before it still replay.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from domain.completeness import Completeness, Outcome
from domain.errors import FailureCode


@dataclass(frozen=True, slots=True)
class RunEnding:
    """How a run ends.

    Attributes:
        failure_code: why the process failed, when the outcome is ``failed``.
        answer: what the court said then.
    """

    outcome: Outcome
    failure_code: FailureCode | None = None
    answer: str = ""


@dataclass(frozen=True, slots=True)
class RunProgress:
    """What a run carries over when it continues as new.

    Attributes:
        listed: whether the court's listing is in the catalog already.
        downloaded: documents that this run made available.
        failed: documents that this run gave up on.
        downloaded_bytes: bytes that this run stored.
        paused: whether an operator has paused the run.
        ending: how the run ends, once that is known and only its subscribers are still to be told.
        announced: the last delivery that was started, by its number; deliveries are numbered upwards.
        ending_execution: the execution that reached the ending, as the catalog remembers who ended the run.
        widened: the run was asked for more, and what failed of that is still to be tried again.
        named: documents that were asked for by their ids while the run was for all, still to be tried again.
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
        process_number: the canonical number, which is also the workflow's id.
        client: the name of the API client that started the run.
        document_ids: the documents that were asked for; none are all.
        retry_permanent: try documents again that failed for a reason that usually stays.
    """

    process_number: str
    client: str = "local"
    progress: RunProgress = field(default_factory=RunProgress)
    document_ids: tuple[str, ...] = ()
    retry_permanent: bool = False


@dataclass(frozen=True, slots=True)
class DocumentChoice:
    """Asks a run that is open for documents; none are all."""

    document_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RunResult:
    """Result of ``DownloadProcess``, as the Temporal UI shows it."""

    outcome: Outcome
    total_documents: int
    available_documents: int
    failed_documents: int
    downloaded_documents: int
    downloaded_bytes: int
    failure_code: FailureCode | None = None


@dataclass(frozen=True, slots=True)
class RunOpening:
    """Says that a run has begun.

    Attributes:
        run_id: the first execution's run id, the same over every continue-as-new.
        document_ids: the documents that it is for; none are all. They are tried again, whatever they failed for.
        retry_permanent: try all documents again, whatever they failed for.
        named: documents to try again, whatever they failed for, beside those that the run is for.
    """

    process_number: str
    run_id: str
    client: str
    document_ids: tuple[str, ...] = ()
    retry_permanent: bool = False
    named: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RunRef:
    """Names a run.

    Attributes:
        started_at: when it was started, in ISO 8601; its place among all runs.
    """

    process_number: str
    run_id: str
    started_at: str = ""


@dataclass(frozen=True, slots=True)
class UnendedRunsPage:
    """Runs that have not said how they ended, the oldest first.

    Attributes:
        following: asks for the next page, behind this run; None after the last one.
    """

    runs: tuple[RunRef, ...]
    following: RunRef | None = None


@dataclass(frozen=True, slots=True)
class ProcessRef:
    """Names a process, or those of its documents that are named."""

    process_number: str
    document_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ListingSummary:
    """What listing a process at the court brought."""

    total_documents: int
    new_documents: int


@dataclass(frozen=True, slots=True)
class PendingPageRequest:
    """Asks for the next pending documents behind a position, of all or of those that are named."""

    process_number: str
    after_position: int
    limit: int
    document_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DocumentRef:
    """Names a document by its id, and by its place in the process for people who read histories."""

    process_number: str
    document_id: str
    position: int


@dataclass(frozen=True, slots=True)
class PendingPage:
    """Pending documents in the order of their positions; empty when there are none left."""

    documents: tuple[DocumentRef, ...]


@dataclass(frozen=True, slots=True)
class DownloadedDocument:
    """Says that a document is available.

    Attributes:
        size_bytes: its size.
        fetched: false when an earlier attempt had stored it already, so that the court was not asked.
    """

    size_bytes: int
    fetched: bool


@dataclass(frozen=True, slots=True)
class DocumentGivenUp:
    """Says that a document could not be downloaded, for a reason that the download itself could not record."""

    document: DocumentRef
    code: FailureCode
    answer: str


@dataclass(frozen=True, slots=True)
class RunClosing:
    """Says how a run ended, and asks for the webhooks to send.

    Attributes:
        after_delivery: deliveries up to this number are started already.
        chosen_documents: how many documents the run was for; 0 for all.
        execution: Temporal's id of the execution that reached the ending.
    """

    process_number: str
    run_id: str
    ending: RunEnding
    after_delivery: int = 0
    chosen_documents: int = 0
    execution: str = ""


@dataclass(frozen=True, slots=True)
class DeliveryRef:
    """Names one event for one subscriber.

    Attributes:
        id: the event's id, stable over all attempts.
        number: counts upwards within the catalog.
        first_attempt: the number of the attempt that comes next; attempts count on over every redelivery.
    """

    id: str
    number: int
    first_attempt: int = 1


@dataclass(frozen=True, slots=True)
class ClosedRun:
    """What closing a run brought.

    Attributes:
        documents: the count at the end.
        deliveries: deliveries to start now, at most a page; empty when every subscriber of the run has one.
    """

    documents: Completeness
    deliveries: tuple[DeliveryRef, ...]


@dataclass(frozen=True, slots=True)
class DeliveryRequest:
    """Input of ``DeliverWebhook``.

    Attributes:
        first_attempt: the number of its first attempt; attempts count on over every redelivery.
    """

    delivery_id: str
    first_attempt: int = 1


@dataclass(frozen=True, slots=True)
class OverdueRequest:
    """Asks for the next deliveries whose attempt is overdue, behind the last of the page before.

    Attributes:
        after_time: when that one should have been attempted, in ISO 8601; empty for the first page.
        after_delivery: its number.
    """

    after_time: str = ""
    after_delivery: int = 0


@dataclass(frozen=True, slots=True)
class OverduePage:
    """Deliveries whose attempt is overdue, the longest first.

    Attributes:
        following: asks for the next page; none if there is none.
    """

    deliveries: tuple[DeliveryRef, ...]
    following: OverdueRequest | None = None


@dataclass(frozen=True, slots=True)
class KilledRunsRequest:
    """Asks for a page of the runs without an end to be compared with Temporal.

    Attributes:
        after: the last run of the page before; None for the first page.
        most_deliveries: how many deliveries to hand out. Others are overdue soon, and found then.
    """

    after: RunRef | None = None
    most_deliveries: int = 500


@dataclass(frozen=True, slots=True)
class KilledRuns:
    """What was found among the runs without an end.

    Attributes:
        deliveries: deliveries to start, which announce the ends of those that were killed.
        following: asks for the next page, behind this run; None after the last one.
    """

    deliveries: tuple[DeliveryRef, ...]
    following: RunRef | None = None


@dataclass(frozen=True, slots=True)
class SweepProgress:
    """What a sweep of deliveries carries over when it continues as new.

    Attributes:
        started: deliveries that it had started.
        runs: the next page of runs without an end; None once all were looked at.
        overdue: the next page of overdue deliveries; None once all were looked at.
    """

    started: int = 0
    runs: KilledRunsRequest | None = field(default_factory=KilledRunsRequest)
    overdue: OverdueRequest | None = field(default_factory=OverdueRequest)


@dataclass(frozen=True, slots=True)
class DeliveryAttempt:
    """Asks for one attempt at a delivery; ``number`` counts from 1.

    Attributes:
        next_delay_seconds: when the next attempt would follow if this one fails, for the log; none after the last.
    """

    delivery_id: str
    number: int
    next_delay_seconds: float | None


@dataclass(frozen=True, slots=True)
class AttemptResult:
    """What came of an attempt.

    Attributes:
        delivered: the receiver answered 2xx.
        gone: the receiver answered 410, or may not be called at all: no further attempt.
        retry_after: seconds that the receiver asked us to wait.
    """

    delivered: bool
    gone: bool = False
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class RecoveryAdvice:
    """What a run is told that waits for the court or for the store.

    Attributes:
        answers: Whether it is known to work.
        look_again_seconds: When to ask again at the latest. A run that waits for the court is woken earlier.
    """

    answers: bool
    look_again_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class CourtExamination:
    """What the watch has to do next.

    Attributes:
        failure_code: why the court does not answer; none while it does.
        probe_in_seconds: when to probe it; none while it answers.
        renew_in_seconds: when to renew the token; none if it cannot be renewed.
        renew_first: the court refuses the token, and one can be renewed: do that before the next probe.
        credentials_version: counts the changes of the stored credentials.
        token_expires_at: when the token ends, for people; empty if it does not say.
        candidate_version: of credentials that were brought and can be tried now; 0 without any.
    """

    failure_code: FailureCode | None = None
    probe_in_seconds: float | None = None
    renew_in_seconds: float | None = None
    renew_first: bool = False
    credentials_version: int = 0
    token_expires_at: str = ""
    candidate_version: int = 0
