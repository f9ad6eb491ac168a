"""Processes and their runs, as the catalog knows them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from domain.completeness import Completeness, Decision, Outcome
from domain.documents import Document, Failure
from domain.errors import FailureCode

_CLOCK_TOLERANCE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Run:
    """One run for a process. A run without an end may have been killed: only Temporal knows which runs are open.

    Attributes:
        id: Temporal's id of the run's first execution.
        documents: The document counts when it ended.
        chosen_documents: Number of documents that were requested. None means all, 0 that they were only listed.
        end_count: How often the run has ended. More than once if it was reset in Temporal.
        is_look: Whether it was started because the process is watched.
    """

    id: str
    client: str
    started_at: datetime
    ended_at: datetime | None = None
    outcome: Outcome | None = None
    failure_code: FailureCode | None = None
    documents: Completeness | None = None
    chosen_documents: int | None = None
    end_count: int = 0
    is_look: bool = False


@dataclass(frozen=True, slots=True)
class Process:
    """A process with its document counts and its latest run.

    Attributes:
        listed_at: When the court last listed it to us.
        listed_documents: Number of documents in that listing.
        failure: Why the process itself failed, if its last run ended with that.
        first_documents: The first of its documents by position, from the same snapshot. None if they were not read.
    """

    number: str
    court: str
    listed_at: datetime | None = None
    listed_documents: int = 0
    failure: Failure | None = None
    documents: Completeness = field(default_factory=Completeness)
    latest_run: Run | None = None
    first_documents: tuple[Document, ...] | None = None

    def can_answer(self, now: datetime, max_age: timedelta, chosen: Completeness | None = None) -> bool:
        """Return whether the catalog can answer a download request without a run.

        It can if it has all documents of the listing, no run could change anything, and its knowledge is younger
        than ``max_age``. Documents requested by id are retried, whatever they failed for, so they must be stored.

        Args:
            now: The time of the request.
            max_age: Maximum age of the listing.
            chosen: The counts of the requested documents. None means all documents.
        """
        if self.failure is not None:
            return not self.failure.retryable and _is_within(self.failure.failed_at, now, max_age)
        if chosen is not None:
            return chosen.complete and self.listed_within(now, max_age)
        has_all_documents = self.documents.total >= self.listed_documents
        return has_all_documents and self.documents.settled and self.listed_within(now, max_age)

    def catalog_decision(
        self, now: datetime, max_age: timedelta, chosen: Completeness | None = None
    ) -> Decision | None:
        """Return the decision on a download request that needs no run. None if it needs one.

        Takes the same arguments as `can_answer`.
        """
        if not self.can_answer(now, max_age, chosen):
            return None
        counts = self.documents if chosen is None else chosen
        return Decision.COMPLETE if counts.complete else Decision.SETTLED

    def listed_within(self, now: datetime, max_age: timedelta) -> bool:
        """Whether the court's listing is younger than ``max_age``."""
        return _is_within(self.listed_at, now, max_age)

    def was_answered_since(
        self, before: Process | None, now: datetime, max_age: timedelta, chosen: Completeness | None = None
    ) -> bool:
        """Return whether a run that ended during a request has done everything that was requested.

        Compares with what the catalog said before, because the clocks of API and worker may differ.

        Args:
            before: The process as the request first read it. None if it was unknown.
            now: The time at which this process was read.
            max_age: Maximum age of the listing. A listing made since ``before`` always satisfies it.
            chosen: The counts of the requested documents. None means all documents.
        """
        latest, previous = self.latest_run, before.latest_run if before else None
        if latest is None or latest.outcome is None:
            return False
        if previous is not None and (previous.id, previous.end_count) == (latest.id, latest.end_count):
            return False
        if latest.outcome is Outcome.CANCELLED or (chosen or self.documents).pending:
            return False
        if chosen is None and latest.chosen_documents is not None:
            # The run was for some documents only, and has tried no others.
            return False
        listed_since = self.listed_at != (before.listed_at if before else None)
        return self.failure is not None or listed_since or self.listed_within(now, max_age)


def retries_permanent_failures(max_age: timedelta) -> bool:
    """Return whether a run for this request retries permanent failures: only if the court is to be asked again."""
    return not max_age


def _is_within(moment: datetime | None, now: datetime, max_age: timedelta) -> bool:
    """Return whether a moment is younger than ``max_age``.

    Strictly younger, so that a ``max_age`` of 0 always asks the court again. A moment in the future is not fresh: a
    clock was wrong, and its real age is unknown. A usual clock skew between two machines is tolerated.
    """
    if moment is None or moment - now > _CLOCK_TOLERANCE:
        return False
    return max(now - moment, timedelta(0)) < max_age
