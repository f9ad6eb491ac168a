"""Processes and their runs as the catalog knows them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from domain.completeness import Completeness, Outcome
from domain.documents import Failure
from domain.errors import FailureCode

_CLOCK_TOLERANCE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Run:
    """One run for a process. A run without an end may have been killed: only Temporal knows what is open.

    Attributes:
        id: Temporal's id of the run's first execution.
        documents: the count when it ended.
        chosen_documents: how many documents were asked for; none if all were.
        end_count: how many ends it has had; more than one if it was reset in Temporal.
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
        """Return whether the catalog can answer a request for a download by itself.

        It can when it holds all that the court listed, no run could change anything of it, and what it knows is
        younger than ``max_age``. Documents that are asked for by their ids are tried again, whatever they failed
        for: only those that are stored are an answer.

        Args:
            now: the moment of the request.
            max_age: how old the listing may be.
            chosen: the count of the documents that are asked for; None if all are.
        """
        if self.failure is not None:
            return not self.failure.retryable and _is_within(self.failure.failed_at, now, max_age)
        if chosen is not None:
            return chosen.complete and self.listed_within(now, max_age)
        whole = self.documents.total >= self.listed_documents
        return whole and self.documents.settled and self.listed_within(now, max_age)

    def listed_within(self, now: datetime, max_age: timedelta) -> bool:
        """Whether the court's listing is younger than ``max_age``."""
        return _is_within(self.listed_at, now, max_age)

    def answered_since(
        self, before: Process | None, now: datetime, max_age: timedelta, chosen: Completeness | None = None
    ) -> bool:
        """Return whether a run has ended while a request was on its way, and has done all that was asked for.

        Judged by what the catalog said before, not by the clocks of API and worker.

        Args:
            before: the process as the request found it; None if nothing was known of it.
            now: the moment at which this is the process.
            max_age: how old the listing may be; one of since then is young enough for any age.
            chosen: the count of the documents that are asked for; None if all are.
        """
        latest, known = self.latest_run, before.latest_run if before else None
        if latest is None or latest.outcome is None:
            return False
        if known is not None and (known.id, known.end_count) == (latest.id, latest.end_count):
            return False
        if latest.outcome is Outcome.CANCELLED or (chosen or self.documents).pending:
            return False
        if chosen is None and latest.chosen_documents is not None:
            # It has tried nothing else.
            return False
        listed_since = self.listed_at != (before.listed_at if before else None)
        return self.failure is not None or listed_since or self.listed_within(now, max_age)


def _is_within(moment: datetime | None, now: datetime, max_age: timedelta) -> bool:
    """Whether a moment is younger than ``max_age``.

    Strictly younger, so that a ``max_age`` of 0 always asks the court again. A moment in the future is not fresh: a
    clock was wrong, and nobody knows how old it is. What two machines' clocks differ by in practice is let pass.
    """
    if moment is None or moment - now > _CLOCK_TOLERANCE:
        return False
    return max(now - moment, timedelta(0)) < max_age
