"""Processes and their runs as the catalog knows them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from domain.completeness import Completeness, Outcome
from domain.documents import Failure
from domain.errors import FailureCode


@dataclass(frozen=True, slots=True)
class Run:
    """One run for a process. A run without an end may have been killed: only Temporal knows what is open.

    Attributes:
        id: Temporal's id of the run's first execution.
        documents: the count when it ended.
        chosen_documents: how many documents were asked for; none if all were.
    """

    id: str
    client: str
    started_at: datetime
    ended_at: datetime | None = None
    outcome: Outcome | None = None
    failure_code: FailureCode | None = None
    documents: Completeness | None = None
    chosen_documents: int | None = None


@dataclass(frozen=True, slots=True)
class Process:
    """A process with the count of its documents and its latest run.

    Attributes:
        listed_at: when the court last listed it to us.
        listed_documents: how many documents that listing named.
        failure: why the process itself failed, if its last run ended so.
    """

    number: str
    court: str
    listed_at: datetime | None = None
    listed_documents: int = 0
    failure: Failure | None = None
    documents: Completeness = field(default_factory=Completeness)
    latest_run: Run | None = None

    def answers(self, now: datetime, max_age: timedelta, chosen: Completeness | None = None) -> bool:
        """Whether the catalog can answer a request for a download by itself.

        It can when it holds all that the court listed, no run could change anything of it, and what it knows is
        younger than ``max_age``.

        Args:
            now: the moment of the request.
            max_age: how old the listing may be.
            chosen: the count of the documents that are asked for, if not all are.
        """
        if self.failure is not None:
            return not self.failure.retryable and _is_within(self.failure.failed_at, now, max_age)
        whole = chosen is not None or self.documents.total >= self.listed_documents
        return whole and (chosen or self.documents).settled and self.listed_within(now, max_age)

    def listed_within(self, now: datetime, max_age: timedelta) -> bool:
        """Whether the court's listing is younger than ``max_age``."""
        return _is_within(self.listed_at, now, max_age)

    def answered_since(self, asked_at: datetime, max_age: timedelta, chosen: Completeness | None = None) -> bool:
        """Whether a run has ended since a request came in, and has done all that it would start a run for."""
        latest = self.latest_run
        if latest is None or latest.ended_at is None or latest.ended_at < asked_at:
            return False
        if latest.outcome is Outcome.CANCELLED or (chosen or self.documents).pending:
            return False
        if chosen is None and latest.chosen_documents is not None:
            # It has tried nothing else.
            return False
        # What was learnt since then is fresh enough for any age.
        return self.failure is not None or _is_within(self.listed_at, asked_at, max(max_age, timedelta.resolution))


def _is_within(moment: datetime | None, now: datetime, max_age: timedelta) -> bool:
    # Strictly younger, so that a max_age of 0 always asks the court again.
    return moment is not None and now - moment < max_age
