"""The view models of the pages: what they show, without the markup."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime

from api.pages.bundle import ONE_PDF
from api.pages.document_list import DocumentList, DocumentQuery, read_documents
from api.pagination import PROCESS_CURSOR
from api.presenters import ProcessPresenter, status_of
from api.services.bundles import BundleService
from domain.bundles import Bundle, BundleState
from domain.clients import Client, Scope
from domain.completeness import Completeness, Outcome, Phase, ProcessStatus
from domain.documents import Failure, quotes_court
from domain.open_runs import OpenRun
from domain.process_number import ProcessNumber
from domain.processes import Process

_PROCESSES_PER_PAGE = 20


@dataclass(frozen=True, slots=True)
class CourtTrouble:
    """Why a run waits for the court: the failure, the court's answer, and the time of the next probe."""

    code: str
    answer: str
    next_probe_at: datetime | None

    @property
    def quotes_court(self) -> bool:
        """Whether the answer is the court's own."""
        return quotes_court(self.answer)


@dataclass(frozen=True, slots=True)
class ProcessView:
    """A process's page for one client.

    Attributes:
        status: None if the process is unknown.
        phase: What the open run is doing. None if no run is open.
        trouble: Why the run waits, if it waits for the court.
        lacks_worker: Whether the open run cannot go on because no worker is at work.
        documents: The page of documents.
        bundle: The PDF of all documents, if it was requested. None while a run is open.
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
    documents: DocumentList
    may_act: bool
    lacks_worker: bool = False
    bundle: Bundle | None = None

    @property
    def is_building(self) -> bool:
        """Whether the PDF is being built, so that the page refreshes itself."""
        return self.bundle is not None and self.bundle.state is BundleState.BUILDING

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
    presenter: ProcessPresenter,
    bundles: BundleService,
    number: ProcessNumber,
    client: Client,
    query: DocumentQuery,
) -> ProcessView:
    """Read what the page of a process shows.

    Args:
        presenter: Reads the catalog and Temporal.
        bundles: Finds the PDF of all documents.
        number: The process.
        client: The client that views the page.
        query: Which documents to show.

    Raises:
        InvalidInput: The query's cursor belongs to another list.
        DependencyUnavailable: The database or Temporal does not answer.
    """
    state = await presenter.find_state(number)
    process, open_run = state or (Process(number.canonical, number.court), None)
    run = process.latest_run
    documents = await read_documents(presenter.catalog, process.number, client, query)
    has_bundle = open_run is None and documents.readable > 0
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
        documents=documents,
        bundle=await bundles.find(number, client, ONE_PDF) if has_bundle else None,
        may_act=client.may(Scope.DOWNLOAD),
        lacks_worker=open_run is not None and bool(presenter.warnings()),
    )


async def _read_trouble(presenter: ProcessPresenter, open_run: OpenRun | None) -> CourtTrouble | None:
    if open_run is None or open_run.phase is not Phase.WAITING_FOR_COURT:
        return None
    state, _ = await presenter.catalog.court_state.read_state_and_token()
    if state.failure_code is None:
        return None
    return CourtTrouble(state.failure_code.value, state.answer or "", state.next_probe_at)
