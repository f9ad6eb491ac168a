"""The view models of the pages: what they show, without the markup."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from api.pagination import POSITION_CURSOR, PROCESS_CURSOR
from api.presenters import FIRST_PAGE_SIZE, ProcessPresenter, status_of
from domain.clients import Client, Scope
from domain.completeness import Completeness, Outcome, Phase, ProcessStatus
from domain.documents import Document, Failure
from domain.listings import Instance
from domain.open_runs import OpenRun
from domain.process_number import ProcessNumber
from domain.processes import Process
from domain.secrecy import is_withheld

_PROCESSES_PER_PAGE = 20


@dataclass(frozen=True, slots=True)
class InstanceGroup:
    """The documents of one instance on a page, in their order."""

    instance: Instance
    documents: tuple[Document, ...]


@dataclass(frozen=True, slots=True)
class CourtTrouble:
    """Why a run waits for the court: the failure, the court's answer, and the time of the next probe."""

    code: str
    answer: str
    next_probe_at: datetime | None


@dataclass(frozen=True, slots=True)
class ProcessView:
    """A process's page for one client.

    Attributes:
        status: None if the process is unknown.
        phase: What the open run is doing. None if no run is open.
        trouble: Why the run waits, if it waits for the court.
        lacks_worker: Whether the open run cannot go on because no worker is at work.
        cursor: The cursor of this page of documents. None on the first page.
        following: The cursor of the next page of documents. None on the last page.
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
    groups: tuple[InstanceGroup, ...]
    cursor: str | None
    following: str | None
    may_act: bool
    scopes: frozenset[Scope]
    lacks_worker: bool = False

    @property
    def is_open(self) -> bool:
        """Whether a run is open, so that the page refreshes itself."""
        return self.phase is not None

    @property
    def actions(self) -> tuple[str, ...]:
        """The possible actions, most useful first, by the names of their routes."""
        if not self.may_act:
            return ()
        if self.phase is not None:
            by_phase = {Phase.PAUSED: ("resume", "cancel"), Phase.FINISHING: ()}
            return by_phase.get(self.phase, ("pause", "cancel"))
        if self.status is None or self.status is ProcessStatus.PENDING:
            return ("download",)
        return ("retry", "update") if self.counts.failed_retryable else ("update",)

    def shows(self, document: Document) -> bool:
        """Return whether this client may see a document, including its name."""
        return not is_withheld(document, self.scopes)


@dataclass(frozen=True, slots=True)
class ProcessRow:
    """A row of the list of processes."""

    number: str
    court: str
    status: ProcessStatus
    phase: Phase | None
    counts: Completeness


@dataclass(frozen=True, slots=True)
class ProcessPage:
    """A page of the list of processes.

    Attributes:
        following: The cursor of the next page. None on the last page.
    """

    processes: tuple[ProcessRow, ...]
    following: str | None


async def read_latest(presenter: ProcessPresenter, after: tuple[datetime, str] | None) -> ProcessPage:
    """Read a page of the list of processes, newest first.

    Args:
        presenter: Reads the catalog and Temporal.
        after: Sort key after which the page begins. None for the first page.

    Raises:
        DependencyUnavailable: The database or Temporal does not answer.
    """
    entries = await presenter.catalog.lists.list_processes(after=after, limit=_PROCESSES_PER_PAGE + 1)
    shown = entries[:_PROCESSES_PER_PAGE]
    rows = await asyncio.gather(*(_read_row(presenter, entry.process) for entry in shown))
    following = None
    if len(entries) > _PROCESSES_PER_PAGE:
        following = PROCESS_CURSOR.encode((shown[-1].created_at, shown[-1].process.number))
    return ProcessPage(tuple(rows), following)


async def _read_row(presenter: ProcessPresenter, process: Process) -> ProcessRow:
    open_run = None
    if process.latest_run is not None and process.latest_run.outcome is None:
        # Only Temporal knows whether the run is still open.
        process, open_run = await presenter.find_state(ProcessNumber.parse(process.number)) or (process, None)
    phase = open_run.phase if open_run else None
    return ProcessRow(process.number, process.court, status_of(process, open_run), phase, process.documents)


async def read_process(
    presenter: ProcessPresenter, number: ProcessNumber, client: Client, *, after: int, cursor: str | None
) -> ProcessView:
    """Read what the page of a process shows.

    Args:
        presenter: Reads the catalog and Temporal.
        number: The process.
        client: The client that views the page.
        after: Position after which the page of documents begins.
        cursor: The same, as in the page's URL.

    Raises:
        DependencyUnavailable: The database or Temporal does not answer.
    """
    state = await presenter.find_state(number)
    process, open_run = state or (Process(number.canonical, number.court), None)
    documents = await presenter.catalog.documents.page(process.number, after=after, limit=FIRST_PAGE_SIZE + 1)
    shown = documents[:FIRST_PAGE_SIZE]
    run = process.latest_run
    return ProcessView(
        number=process.number,
        court=process.court,
        status=status_of(process, open_run) if state else None,
        phase=open_run.phase if open_run else None,
        counts=process.documents,
        listed_at=process.listed_at,
        failure=process.failure,
        cancelled=run is not None and run.outcome is Outcome.CANCELLED,
        trouble=await _read_trouble(presenter, open_run),
        groups=_group_by_instance(shown),
        cursor=cursor,
        following=POSITION_CURSOR.encode(shown[-1].position) if len(documents) > FIRST_PAGE_SIZE else None,
        may_act=client.may(Scope.DOWNLOAD),
        scopes=client.scopes,
        lacks_worker=open_run is not None and bool(presenter.warnings()),
    )


async def _read_trouble(presenter: ProcessPresenter, open_run: OpenRun | None) -> CourtTrouble | None:
    if open_run is None or open_run.phase is not Phase.WAITING_FOR_COURT:
        return None
    state, _ = await presenter.catalog.court_state.read_state_and_token()
    if state.failure_code is None:
        return None
    return CourtTrouble(state.failure_code.value, state.answer or "", state.next_probe_at)


def _group_by_instance(documents: Sequence[Document]) -> tuple[InstanceGroup, ...]:
    groups: dict[Instance, list[Document]] = {}
    for document in documents:
        groups.setdefault(document.instance, []).append(document)
    return tuple(InstanceGroup(instance, tuple(members)) for instance, members in groups.items())
