"""The view models of the pages: what they show, without the markup."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from api.pages.bundle import ONE_PDF
from api.pages.document_list import DocumentList, DocumentQuery, PageView, read_documents
from api.pages.news import News, read_news
from api.pages.timeline import Timeline, read_timeline
from api.pages.visits import Visit
from api.pagination import PROCESS_CURSOR
from api.presenters import ProcessPresenter, status_of
from api.schemas.cases import CaseBody, RelatedProcessBody
from api.schemas.watches import WatchBody
from api.services.bundles import BundleService
from api.services.cases import CaseService
from api.services.watches import WatchService
from domain.bundles import Bundle, BundleState
from domain.clients import Client, Scope
from domain.completeness import Completeness, Outcome, Phase, ProcessStatus
from domain.documents import Failure, quotes_court
from domain.found_numbers import find_numbers
from domain.open_runs import OpenRun
from domain.process_number import ProcessNumber
from domain.processes import Process
from domain.watches import DEFAULT_EVERY_SECONDS

_PROCESSES_PER_PAGE = 20
_HOUR = 3600
# The intervals of a watch to choose from: an hour to a week.
_INTERVALS = (_HOUR, 6 * _HOUR, 12 * _HOUR, 24 * _HOUR, 7 * 24 * _HOUR)


FindNews = Callable[[Sequence[str]], Awaitable[Collection[str]]]


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
        news: What is new since the last visit. None if nothing is.
        watch: The client's watch of the process. None if it does not watch it.
        timeline: A page of the timeline, if the page shows that instead of the documents.
        case: What the last listing says of the case, if the page shows that instead of the documents.
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
    news: News | None = None
    watch: WatchBody | None = None
    timeline: Timeline | None = None
    case: CaseBody | None = None
    bundle: Bundle | None = None

    # How many parties of an instance, lawyers of a party and related processes the page lists.
    max_listed: ClassVar[int] = 100

    @property
    def is_building(self) -> bool:
        """Whether the PDF is being built, so that the page refreshes itself."""
        return self.bundle is not None and self.bundle.state is BundleState.BUILDING

    @property
    def related(self) -> tuple[tuple[RelatedProcessBody, bool], ...]:
        """The related processes, and whether the court names each by a valid number, which can be opened."""
        related = self.case.related if self.case else ()
        return tuple((each, _is_number(each.process_number)) for each in related)

    @property
    def view(self) -> PageView:
        """What the page shows below its head."""
        if self.timeline is not None:
            return PageView.TIMELINE
        return PageView.DOCUMENTS if self.case is None else PageView.CASE

    @property
    def intervals(self) -> tuple[int, ...]:
        """The intervals of a watch to choose from, in seconds: the usual ones, and that of the watch."""
        return tuple(sorted({*_INTERVALS, self.interval}))

    @property
    def interval(self) -> int:
        """The interval of the watch, or the usual one, in seconds."""
        return DEFAULT_EVERY_SECONDS if self.watch is None else self.watch.every_seconds

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
    has_news: bool


@dataclass(frozen=True, slots=True)
class ProcessPage:
    """A page of the list of processes.

    Attributes:
        following: The cursor of the next page. None on the last page.
    """

    processes: tuple[ProcessRow, ...]
    following: str | None


async def read_latest(
    presenter: ProcessPresenter, after: tuple[datetime, str] | None, find_news: FindNews
) -> ProcessPage:
    """Read a page of the list of processes, newest first.

    Args:
        presenter: Reads the catalog and Temporal.
        after: Sort key after which the page begins. None for the first page.
        find_news: Returns which of these processes have news for the person.

    Raises:
        DependencyUnavailable: The database or Temporal does not answer.
    """
    entries = await presenter.catalog.lists.list_processes(after=after, limit=_PROCESSES_PER_PAGE + 1)
    shown = entries[:_PROCESSES_PER_PAGE]
    with_news = await find_news([entry.process.number for entry in shown])
    rows = await asyncio.gather(
        *(_read_row(presenter, entry.process, entry.process.number in with_news) for entry in shown)
    )
    following = None
    if len(entries) > _PROCESSES_PER_PAGE:
        following = PROCESS_CURSOR.encode((shown[-1].created_at, shown[-1].process.number))
    return ProcessPage(tuple(rows), following)


async def _read_row(presenter: ProcessPresenter, process: Process, has_news: bool) -> ProcessRow:
    open_run = None
    if process.latest_run is not None and process.latest_run.outcome is None:
        # Only Temporal knows whether the run is still open.
        process, open_run = await presenter.find_state(ProcessNumber.parse(process.number)) or (process, None)
    phase = open_run.phase if open_run else None
    status = status_of(process, open_run)
    return ProcessRow(process.number, process.court, status, phase, process.documents, has_news)


@dataclass(frozen=True, slots=True)
class ProcessReader:
    """Reads what the page of a process shows.

    Attributes:
        presenter: Reads the catalog and Temporal.
    """

    presenter: ProcessPresenter
    cases: CaseService
    watches: WatchService
    bundles: BundleService

    async def read(self, number: ProcessNumber, client: Client, query: DocumentQuery, visit: Visit) -> ProcessView:
        """Read what the page of a process shows.

        Args:
            number: The process.
            client: The client that views the page.
            query: Which view, and which documents to show.
            visit: The person's visit.

        Raises:
            InvalidInput: The query's cursor belongs to another list.
            ProcessErased: The process was erased.
            DependencyUnavailable: The database or Temporal does not answer.
        """
        state = await self.presenter.find_state(number)
        process, open_run = state or (Process(number.canonical, number.court), None)
        run = process.latest_run
        documents = await read_documents(self.presenter.catalog, process.number, client, query)
        view = query.view if state else PageView.DOCUMENTS
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
            trouble=await _read_trouble(self.presenter, open_run),
            documents=documents,
            may_act=client.may(Scope.DOWNLOAD),
            lacks_worker=open_run is not None and bool(self.presenter.warnings()),
            news=await read_news(self.cases, number, client, visit, documents)
            if view is PageView.DOCUMENTS
            else None,
            watch=await self.watches.find(number, client),
            timeline=await read_timeline(self.cases, number, client, query.cursor, documents)
            if view is PageView.TIMELINE
            else None,
            case=await self.cases.get(client, number) if view is PageView.CASE else None,
            bundle=await self.bundles.find(number, client, ONE_PDF) if has_bundle else None,
        )


def _is_number(text: str) -> bool:
    return [number.canonical for number in find_numbers(text).valid] == [text]


async def _read_trouble(presenter: ProcessPresenter, open_run: OpenRun | None) -> CourtTrouble | None:
    if open_run is None or open_run.phase is not Phase.WAITING_FOR_COURT:
        return None
    state, _ = await presenter.catalog.court_state.read_state_and_token()
    if state.failure_code is None:
        return None
    return CourtTrouble(state.failure_code.value, state.answer or "", state.next_probe_at)
