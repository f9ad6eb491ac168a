"""The decision behind every request for a download: answer from the catalog, join a run, or start one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

import structlog

from api.runs import OpenRun, Runs, StartedRun
from domain.addresses import WebhookPolicy, check_webhook_url
from domain.completeness import Decision, Phase
from domain.errors import DependencyUnavailable
from domain.messages import RunOpening
from domain.process_number import ProcessNumber
from domain.processes import Process

if TYPE_CHECKING:
    from adapters.database import Catalog

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class DownloadDecision:
    """What a request for a download led to, and the process as it is now."""

    decision: Decision
    process: Process
    open_run: OpenRun | None


@dataclass(slots=True, weakref_slot=True)
class _Queue:
    """Requests for one process that may start a run, one at a time."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    failure: DependencyUnavailable | None = None

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Be the only one for as long as the block lasts.

        Raises:
            DependencyUnavailable: one that was ahead has met it meanwhile. If each waited for Temporal anew, the
                last would be answered after as many time-outs as there are requests.
        """
        known = self.failure
        async with self.lock:
            if self.failure is not None and self.failure is not known:
                raise DependencyUnavailable(self.failure.dependency, str(self.failure))
            try:
                yield
            except DependencyUnavailable as error:
                # One that is not raised: a trace would keep the queue alive.
                self.failure = DependencyUnavailable(error.dependency, str(error))
                raise


@dataclass(frozen=True, slots=True)
class Downloads:
    """Takes requests for downloads."""

    catalog: Catalog
    runs: Runs
    webhook_policy: WebhookPolicy
    max_age: timedelta
    # Between reading that something is missing and starting a run, no other request may start one: it could be
    # over by then, and this one would start another.
    _starting: WeakValueDictionary[str, _Queue] = field(default_factory=WeakValueDictionary)

    async def request(
        self, number: ProcessNumber, client: str, *, webhook_url: str | None, max_age: timedelta | None
    ) -> DownloadDecision:
        """Answer from the catalog if no run could change anything; else see that one is running.

        Args:
            number: the process.
            client: who asks.
            webhook_url: called when the run ends; joins the run that is open, if one is.
            max_age: how old the listing may be; the setting's age unless given.

        Raises:
            InvalidInput: the webhook address cannot be used; nothing was changed.
            DependencyUnavailable: the database or Temporal does not answer, or did not answer the request that
                this one has waited for.
        """
        if webhook_url is not None:
            check_webhook_url(webhook_url, self.webhook_policy)
        age = self.max_age if max_age is None else max_age
        asked_at = datetime.now(UTC)
        process = await self.catalog.processes.get(number.canonical)
        if process is not None and process.answers(asked_at, age):
            return self._from_catalog(process)
        if webhook_url is not None:
            # Before the run is started or told: whatever happens in between, the next end of a run finds it.
            await self.catalog.webhooks.subscribe(number.canonical, client, webhook_url)
        async with self._starting.setdefault(number.canonical, _Queue()).turn():
            process = await self.catalog.processes.get(number.canonical)
            if process is not None and process.answered_since(asked_at, age):
                return await self._from_ended_run(process)
            if process is not None and (latest := process.latest_run) is not None and latest.outcome is not None:
                await self.runs.closed(number, latest.id)
            started = await self.runs.start(number, client, subscribed=webhook_url is not None)
            if started.decision is Decision.STARTED:
                await self.catalog.runs.register(RunOpening(number.canonical, started.run_id, client))
        return await self._from_run(number, started)

    def _from_catalog(self, process: Process) -> DownloadDecision:
        decision = Decision.COMPLETE if process.documents.complete else Decision.SETTLED
        counts = process.documents
        _log.info(f"{decision} {counts.available}/{counts.total}", process=process.number)
        return DownloadDecision(decision, process, None)

    async def _from_ended_run(self, process: Process) -> DownloadDecision:
        """Join a run that did all that was asked for while the request was on its way in."""
        if process.latest_run is not None:
            for delivery in await self.catalog.runs.announce_ended(process.latest_run.id):
                await self.runs.deliver(delivery)
        counts = process.documents
        _log.info("active", process=process.number, available=counts.available, total=counts.total)
        return DownloadDecision(Decision.ACTIVE, process, None)

    async def _from_run(self, number: ProcessNumber, started: StartedRun) -> DownloadDecision:
        # Whoever started the run that we joined may not have told the catalog of it yet.
        process = await self.catalog.processes.get(number.canonical) or Process(number.canonical, number.court)
        counts = process.documents
        log = _log.bind(process=process.number, run=started.run_id)
        if started.decision is Decision.STARTED:
            log.info(f"started {counts.total - counts.available} of {counts.total}" if counts.total else "started")
            open_run = OpenRun(started.run_id, datetime.now(UTC), Phase.LISTING)
        else:
            log.info("active", available=counts.available, total=counts.total)
            open_run = await self.runs.find_open(number) or OpenRun(
                started.run_id, datetime.now(UTC), Phase.FINISHING
            )
        return DownloadDecision(started.decision, process, open_run)
