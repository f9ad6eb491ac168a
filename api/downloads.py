"""The decision behind every request for a download: answer from the catalog, join a run, or start one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

import structlog

from api.problem_codes import ProblemCode
from api.problems import Problem
from api.runs import OpenRun, Overtaken, Runs, StartedRun
from api.temporal_calls import Turns
from domain.completeness import Completeness, Decision
from domain.errors import DependencyUnavailable
from domain.messages import DownloadRequest, RunOpening
from domain.process_number import ProcessNumber
from domain.processes import Process
from workflows.options import DEFAULT_PRIORITY

if TYPE_CHECKING:
    from adapters.database import Catalog
    from adapters.webhooks import Destinations

_log = structlog.get_logger()

# A hundred clients that ask for the same process at once are all served, one after the other.
_LONGEST_QUEUE_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class DownloadDecision:
    """What a request for a download led to, and the process as it is now."""

    decision: Decision
    process: Process
    open_run: OpenRun | None


@dataclass(frozen=True, slots=True)
class Downloads:
    """Takes requests for downloads."""

    catalog: Catalog
    runs: Runs
    destinations: Destinations
    max_age: timedelta
    # Between reading that something is missing and starting a run, no other request may start one: it could be
    # over by then, and this one would start another.
    _starting: WeakValueDictionary[str, Turns] = field(default_factory=WeakValueDictionary)

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
    ) -> DownloadDecision:
        """Answer from the catalog if no run could change anything; else see that one is running.

        Args:
            number: the process.
            client: who asks.
            webhook_url: called when the run ends; joins the run that is open, if one is.
            max_age: how old the listing may be; the setting's age unless given.
            document_ids: the documents that are asked for; none are all.
            priority: of the run that is started, if one is: 1 is served first, 5 last.
            notify_always: have ``webhook_url`` told of the last run's end if the catalog answers by itself.

        Raises:
            InvalidInput: the webhook address cannot be used; nothing was changed.
            Problem: 404, the court's listing, which is young enough, has no such document; nothing was changed.
            DependencyUnavailable: the database or Temporal does not answer, or did not answer the request that
                this one has waited for.
        """
        if webhook_url is not None:
            await self.destinations.check(webhook_url)
        age = self.max_age if max_age is None else max_age
        now = datetime.now(UTC)
        chosen: Completeness | None = None
        found = await self.catalog.processes.get(number.canonical)
        if found is not None:
            chosen = await self._count(found, document_ids, listed=found.listed_within(now, age))
            answered = found.answers(now, age, chosen)
            if answered and webhook_url is not None and notify_always:
                answered = await self._notify_again(found, client, webhook_url)
            if answered:
                return self._from_catalog(found, chosen or found.documents)
        async with self._starting.setdefault(
            number.canonical, Turns(1, longest_seconds=_LONGEST_QUEUE_SECONDS)
        ).turn():
            request = DownloadRequest(
                number.canonical, client, document_ids=tuple(document_ids), retry_permanent=not age
            )

            is_overtaken = partial(self._is_overtaken, number, found, document_ids, age)
            try:
                if await is_overtaken():
                    raise Overtaken
                if document_ids:
                    chosen = await self.catalog.processes.completeness(number.canonical, document_ids)
                started = await self.runs.start(
                    request,
                    is_over=self.catalog.runs.is_over,
                    is_overtaken=is_overtaken,
                    # Named documents are tried again even by a run that is for all, and has tried them.
                    retry_named=chosen is not None and chosen.failed > 0,
                    priority=priority,
                )
            except Overtaken:
                return await self._from_ended_run(number, client, webhook_url)
            opening = RunOpening(number.canonical, started.run.id, started.run.client, started.document_ids)
            if webhook_url is None and started.decision is Decision.STARTED:
                await self.catalog.runs.register(opening)
            await self._subscribe(opening, client, webhook_url)
        return await self._from_run(number, started)

    async def _count(self, process: Process, document_ids: Sequence[str], *, listed: bool) -> Completeness | None:
        """The count of the documents that are asked for; none if all are.

        Args:
            process: the process.
            document_ids: what is asked for.
            listed: whether its listing is young enough to say which documents there are.
        """
        if not document_ids:
            return None
        if listed and (unknown := await self.catalog.documents.unknown(process.number, document_ids)):
            raise Problem(
                ProblemCode.DOCUMENT_UNKNOWN,
                f"Process {process.number} has no such documents: {', '.join(unknown)}. "
                "With max_age=0 the court is asked again.",
                document_ids=unknown,
            )
        return await self.catalog.processes.completeness(process.number, document_ids)

    async def _is_overtaken(
        self, number: ProcessNumber, found: Process | None, document_ids: Sequence[str], age: timedelta
    ) -> bool:
        """Whether a run has ended since the request found the process so, and has done what it asks."""
        process = await self.catalog.processes.get(number.canonical)
        if process is None:
            return False
        counts = await self._count(process, document_ids, listed=False)
        return process.answered_since(found, datetime.now(UTC), age, counts)

    async def _from_ended_run(
        self, number: ProcessNumber, client: str, webhook_url: str | None
    ) -> DownloadDecision:
        """Join a run that did all that was asked for while the request was on its way in."""
        process = await self.catalog.processes.get(number.canonical)
        if process is None or process.latest_run is None:
            raise DependencyUnavailable("database", "The catalog has lost a process just read.")
        run = process.latest_run
        await self._subscribe(RunOpening(process.number, run.id, run.client), client, webhook_url)
        _log.info("active", process=process.number, run=run.id)
        return DownloadDecision(Decision.ACTIVE, process, None)

    async def _subscribe(self, opening: RunOpening, client: str, webhook_url: str | None) -> None:
        """Have an address told of the end of a run; at once if the run is over."""
        if webhook_url is None:
            return
        delivery = await self.catalog.runs.subscribe(opening, client, webhook_url)
        if delivery is not None:
            await self.runs.deliver(delivery)

    async def _notify_again(self, process: Process, client: str, webhook_url: str) -> bool:
        """Have an address told of how the latest run ended, even if it was told before.

        Returns:
            False if that run is open: its end is what there will be to tell.
        """
        run = process.latest_run
        if run is None or run.outcome is None:
            return False
        opening = RunOpening(process.number, run.id, run.client)
        delivery = await self.catalog.runs.subscribe(opening, client, webhook_url, again=True)
        if delivery is not None:
            await self.runs.deliver(delivery)
        return True

    @staticmethod
    def _from_catalog(process: Process, counts: Completeness) -> DownloadDecision:
        decision = Decision.COMPLETE if counts.complete else Decision.SETTLED
        _log.info(f"{decision} {counts.available}/{counts.total}", process=process.number)
        return DownloadDecision(decision, process, None)

    async def _from_run(self, number: ProcessNumber, started: StartedRun) -> DownloadDecision:
        # Whoever started the run that we joined may not have told the catalog of it yet.
        process = await self.catalog.processes.get(number.canonical) or Process(number.canonical, number.court)
        counts = process.documents
        log = _log.bind(process=process.number, run=started.run.id)
        if started.decision is Decision.STARTED:
            log.info(f"started {counts.total - counts.available} of {counts.total}" if counts.total else "started")
        else:
            log.info("active", available=counts.available, total=counts.total)
        return DownloadDecision(started.decision, process, started.run)
