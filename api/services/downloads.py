"""The decision behind every request for a download: answer from the catalog, join the open run, or start one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

import structlog

from api.problems.codes import ProblemCode
from api.problems.problem import Problem
from domain.completeness import Completeness, Decision
from domain.errors import DependencyUnavailable
from domain.fair_semaphore import FairSemaphore
from domain.open_runs import OpenRun, RunAlreadyAnswered, StartedRun
from domain.process_number import ProcessNumber
from domain.processes import Process, retries_permanent_failures
from domain.run_messages import DownloadRequest, RunOpening
from workflows.options import DEFAULT_PRIORITY

if TYPE_CHECKING:
    from adapters.database import Catalog
    from adapters.temporal.run_client import IsAnswered, RunClient
    from adapters.webhooks import AddressGuard

_log = structlog.get_logger()

# Enough for a hundred concurrent requests for the same process, which are served one after the other.
_MAX_QUEUE_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class DownloadDecision:
    """The decision on a request for a download, and the current state of the process."""

    decision: Decision
    process: Process
    open_run: OpenRun | None


@dataclass(frozen=True, slots=True)
class DownloadService:
    """Decides on requests for downloads.

    Attributes:
        max_age: Maximum age of a listing if the request does not state one.
    """

    catalog: Catalog
    runs: RunClient
    address_guard: AddressGuard
    max_age: timedelta
    # One lock per process. Between reading that something is missing and starting a run, no other request may start
    # one: that run could be over by then, and this request would start a second one.
    _start_locks: WeakValueDictionary[str, FairSemaphore] = field(default_factory=WeakValueDictionary)

    async def request(
        self,
        number: ProcessNumber,
        client: str,
        *,
        webhook_url: str | None = None,
        max_age: timedelta | None = None,
        document_ids: Sequence[str] = (),
        priority: int = DEFAULT_PRIORITY,
        notify_always: bool = False,
        first_documents: int = 0,
    ) -> DownloadDecision:
        """Answer from the catalog if no run could change anything. Otherwise join the open run or start one.

        Args:
            number: The process.
            client: Name of the client that sends the request.
            webhook_url: Called when the run ends. Subscribes to the open run if one is joined.
            max_age: Maximum age of the listing. None means the setting's age.
            document_ids: Ids to download. Empty means all documents.
            priority: Priority of the run if one is started: 1 is first, 5 last.
            notify_always: Send the latest run's end to ``webhook_url`` if the catalog answers.
            first_documents: If the catalog answers, also read the first documents, as many as this.

        Raises:
            InvalidInput: The webhook URL is not allowed. Nothing was changed.
            Problem: 404, a listing that is young enough does not have these documents. Nothing was changed.
            DependencyUnavailable: The database or Temporal does not answer, or did not answer the request for the
                same process that this one has waited for.
        """
        if webhook_url is not None:
            await self.address_guard.check(webhook_url)
        age = self.max_age if max_age is None else max_age
        now = datetime.now(UTC)
        process = await self.catalog.processes.get(number.canonical, first_documents=first_documents)
        if process is not None:
            chosen = await self._count_chosen(process, document_ids, check_ids=process.listed_within(now, age))
            decision = process.catalog_decision(now, age, chosen)
            if decision is not None and webhook_url is not None and notify_always:
                is_notified = await self._notify_of_latest_run(process, client, webhook_url)
                decision = decision if is_notified else None
            if decision is not None:
                return self._describe_answer(decision, process, chosen)
        lock = self._start_locks.setdefault(number.canonical, FairSemaphore(1, longest_seconds=_MAX_QUEUE_SECONDS))
        async with lock.slot():
            request = DownloadRequest(
                number.canonical,
                client,
                document_ids=tuple(document_ids),
                retry_permanent=retries_permanent_failures(age),
            )
            is_answered = partial(self._is_answered_meanwhile, number, process, document_ids, age)
            try:
                started = await self._join_or_start(request, is_answered, priority)
            except RunAlreadyAnswered:
                return await self._join_ended_run(number, client, webhook_url)
            await self._record_opening(started, process, number, client, webhook_url)
        return await self._describe_run(number, started)

    async def _join_or_start(self, request: DownloadRequest, is_answered: IsAnswered, priority: int) -> StartedRun:
        """Join the open run, or start one.

        Raises:
            RunAlreadyAnswered: A run has ended meanwhile and has done what the request asks for.
        """
        if await is_answered():
            raise RunAlreadyAnswered
        chosen = None
        if request.document_ids:
            chosen = await self.catalog.processes.count_documents(request.process_number, request.document_ids)
        return await self.runs.start(
            request,
            is_over=self.catalog.runs.has_ended,
            is_answered=is_answered,
            # Documents requested by id are retried even by an open run for all that has tried them before.
            retry_named=chosen is not None and chosen.failed > 0,
            priority=priority,
        )

    async def _count_chosen(
        self, process: Process, document_ids: Sequence[str], *, check_ids: bool
    ) -> Completeness | None:
        """Return the counts of the requested documents. None if all documents are requested.

        Args:
            process: The process.
            document_ids: The requested ids.
            check_ids: Raise 404 for ids that the listing does not have: it is young enough to tell.
        """
        if not document_ids:
            return None
        if check_ids and (unknown := await self.catalog.documents.find_unknown_ids(process.number, document_ids)):
            raise Problem(
                ProblemCode.DOCUMENT_UNKNOWN,
                f"Process {process.number} has no such documents: {', '.join(unknown)}. "
                "Use max_age=0 to ask the court again.",
                document_ids=unknown,
            )
        return await self.catalog.processes.count_documents(process.number, document_ids)

    async def _is_answered_meanwhile(
        self, number: ProcessNumber, before: Process | None, document_ids: Sequence[str], age: timedelta
    ) -> bool:
        """Return whether a run has ended since the process was read, and has done what the request asks for."""
        process = await self.catalog.processes.get(number.canonical)
        if process is None:
            return False
        counts = await self._count_chosen(process, document_ids, check_ids=False)
        return process.was_answered_since(before, datetime.now(UTC), age, counts)

    async def _join_ended_run(
        self, number: ProcessNumber, client: str, webhook_url: str | None
    ) -> DownloadDecision:
        """Join a run that ended while the request was being handled, and did all that it asks for."""
        process = await self.catalog.processes.get(number.canonical)
        if process is None or process.latest_run is None:
            raise DependencyUnavailable("database", "The catalog has lost a process that was just read.")
        run = process.latest_run
        opening = RunOpening(process.number, run.id, run.client)
        if webhook_url is not None:
            await self._subscribe(opening, client, webhook_url)
        else:
            await self._follow(opening, client)
        _log.info("active", process=process.number, run=run.id)
        return DownloadDecision(Decision.ACTIVE, process, None)

    async def _record_opening(
        self,
        started: StartedRun,
        before: Process | None,
        number: ProcessNumber,
        client: str,
        webhook_url: str | None,
    ) -> None:
        """Record a run that the catalog does not have yet, and have the client told of its end.

        A joined run may be new to the catalog too: whoever started it a moment ago has not recorded it yet, and the
        client of this request may ask for its status at once.
        """
        opening = RunOpening(number.canonical, started.run.id, started.run.client, started.document_ids)
        if webhook_url is not None:
            await self._subscribe(opening, client, webhook_url)
            return
        known = before.latest_run if before is not None else None
        if known is None or known.id != opening.run_id:
            await self.catalog.runs.register(opening)
        elif known.client == client and not known.is_look:
            return
        if started.decision is Decision.ACTIVE:
            await self._follow(opening, client)

    async def _follow(self, opening: RunOpening, client: str) -> None:
        """Have the run's end in the client's events, although it gives no webhook URL."""
        if not await self.catalog.runs.is_followed(opening.run_id, client):
            await self.catalog.runs.follow(opening, client)

    async def _subscribe(self, opening: RunOpening, client: str, webhook_url: str, *, again: bool = False) -> None:
        """Notify a URL of the run's end; at once if the run is over.

        Args:
            opening: The run.
            client: Name of the client that subscribes.
            webhook_url: The URL.
            again: Notify it even if it was notified of this end before.
        """
        delivery = await self.catalog.runs.subscribe(opening, client, webhook_url, again=again)
        if delivery is not None:
            await self.runs.start_delivery(delivery)

    async def _notify_of_latest_run(self, process: Process, client: str, webhook_url: str) -> bool:
        """Notify a URL of the latest run's end, even if it was notified before.

        Returns:
            False if that run is open: then its end is still to come.
        """
        run = process.latest_run
        if run is None or run.outcome is None:
            return False
        await self._subscribe(RunOpening(process.number, run.id, run.client), client, webhook_url, again=True)
        return True

    @staticmethod
    def _describe_answer(decision: Decision, process: Process, chosen: Completeness | None) -> DownloadDecision:
        counts = process.documents if chosen is None else chosen
        _log.info(f"{decision} {counts.available}/{counts.total}", process=process.number)
        return DownloadDecision(decision, process, None)

    async def _describe_run(self, number: ProcessNumber, started: StartedRun) -> DownloadDecision:
        # The request that started a joined run may not have recorded it in the catalog yet.
        process = await self.catalog.processes.get(number.canonical) or Process(number.canonical, number.court)
        counts = process.documents
        log = _log.bind(process=process.number, run=started.run.id)
        if started.decision is Decision.STARTED:
            log.info(f"started {counts.total - counts.available} of {counts.total}" if counts.total else "started")
        else:
            log.info("active", available=counts.available, total=counts.total)
        return DownloadDecision(started.decision, process, started.run)
