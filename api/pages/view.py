"""What the page of a process shows, apart from how it is written."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from api.answers import FIRST_PAGE, Answers
from api.parameters import encode_cursor, encode_process_cursor
from api.runs import OpenRun
from domain.clients import Client, Scope
from domain.completeness import Completeness, Outcome, Phase, ProcessStatus, process_status
from domain.documents import Document, Failure, Instance
from domain.process_number import ProcessNumber
from domain.processes import Process
from domain.secrecy import is_withheld

_LISTED = 20


@dataclass(frozen=True, slots=True)
class Group:
    """The documents of one instance on a page, in their order."""

    instance: Instance
    documents: tuple[Document, ...]


@dataclass(frozen=True, slots=True)
class CourtTrouble:
    """Why a run waits for the court: what the court said, and when it is asked again."""

    code: str
    answer: str
    next_probe_at: datetime | None


@dataclass(frozen=True, slots=True)
class ProcessView:
    """A process as its page shows it to one client.

    Attributes:
        status: none if nothing is known of the process.
        phase: what the open run is doing; none without one.
        trouble: why the run waits, if it waits for the court.
        following: the cursor of the next page of documents; none on the last one.
    """

    number: str
    court: str
    status: ProcessStatus | None
    phase: Phase | None
    counts: Completeness
    listed_at: datetime | None
    failure: Failure | None
    cancelled: bool
    trouble: CourtTrouble | None
    groups: tuple[Group, ...]
    cursor: str | None
    following: str | None
    may_act: bool
    scopes: frozenset[Scope]

    @property
    def is_open(self) -> bool:
        """Whether a run is open, so that the page changes by itself."""
        return self.phase is not None

    @property
    def actions(self) -> tuple[str, ...]:
        """What can be done now, the most useful first, by the names of the routes."""
        if not self.may_act:
            return ()
        if self.phase is not None:
            stop = {Phase.PAUSED: ("resume", "cancel"), Phase.FINISHING: ()}
            return stop.get(self.phase, ("pause", "cancel"))
        if self.status is None or self.status is ProcessStatus.PENDING:
            return ("download",)
        return ("retry", "update") if self.counts.failed_retryable else ("update",)

    def shows(self, document: Document) -> bool:
        """Whether this client may read a document, and so much as its name."""
        return not is_withheld(document, self.scopes)


@dataclass(frozen=True, slots=True)
class Summary:
    """A process as a line of the list of processes."""

    number: str
    court: str
    status: ProcessStatus
    phase: Phase | None
    counts: Completeness


@dataclass(frozen=True, slots=True)
class Latest:
    """A page of the list of processes.

    Attributes:
        following: the cursor of the next page; none on the last one.
    """

    processes: tuple[Summary, ...]
    following: str | None


async def latest(answers: Answers, after: tuple[datetime, str] | None) -> Latest:
    """Read a page of the list of processes, the newest first.

    Raises:
        DependencyUnavailable: the database or Temporal does not answer.
    """
    found = await answers.catalog.overview.processes(after=after, limit=_LISTED + 1)
    shown = found[:_LISTED]
    processes = await asyncio.gather(*(_summary(answers, known.process) for known in shown))
    last = shown[-1] if len(found) > _LISTED else None
    return Latest(tuple(processes), encode_process_cursor(last.created_at, last.process.number) if last else None)


async def _summary(answers: Answers, process: Process) -> Summary:
    open_run = None
    if process.latest_run is not None and process.latest_run.outcome is None:
        # Whether it is open still, only Temporal knows.
        process, open_run = await answers.current(ProcessNumber.parse(process.number)) or (process, None)
    phase = open_run.phase if open_run else None
    return Summary(process.number, process.court, _status(process, open_run), phase, process.documents)


async def look(
    answers: Answers, number: ProcessNumber, client: Client, *, after: int, cursor: str | None
) -> ProcessView:
    """Read what the page of a process shows.

    Args:
        answers: where it is read from.
        number: the process.
        client: who looks.
        after: the position behind which the page of documents begins.
        cursor: the same, as the page's address has it.

    Raises:
        DependencyUnavailable: the database or Temporal does not answer.
    """
    known = await answers.current(number)
    process, open_run = known or (Process(number.canonical, number.court), None)
    found = await answers.catalog.documents.page(process.number, after=after, limit=FIRST_PAGE + 1)
    shown = found[:FIRST_PAGE]
    latest = process.latest_run
    return ProcessView(
        number=process.number,
        court=process.court,
        status=_status(process, open_run) if known else None,
        phase=open_run.phase if open_run else None,
        counts=process.documents,
        listed_at=process.listed_at,
        failure=process.failure,
        cancelled=latest is not None and latest.outcome is Outcome.CANCELLED,
        trouble=await _trouble(answers, open_run),
        groups=_by_instance(shown),
        cursor=cursor,
        following=encode_cursor(shown[-1].position) if len(found) > FIRST_PAGE else None,
        may_act=client.may(Scope.DOWNLOAD),
        scopes=client.scopes,
    )


def _status(process: Process, open_run: OpenRun | None) -> ProcessStatus:
    return process_status(
        process.documents,
        listed=process.listed_at is not None,
        process_failed=process.failure is not None,
        run_open=open_run is not None,
    )


async def _trouble(answers: Answers, open_run: OpenRun | None) -> CourtTrouble | None:
    if open_run is None or open_run.phase is not Phase.WAITING_FOR_COURT:
        return None
    condition, _ = await answers.catalog.court.overview()
    if condition.failure_code is None:
        return None
    return CourtTrouble(condition.failure_code.value, condition.answer or "", condition.next_probe_at)


def _by_instance(documents: Sequence[Document]) -> tuple[Group, ...]:
    grouped: dict[Instance, list[Document]] = {}
    for document in documents:
        grouped.setdefault(document.instance, []).append(document)
    return tuple(Group(instance, tuple(of_it)) for instance, of_it in grouped.items())
