"""What a batch asks of the catalog, and tells it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import structlog
from temporalio import activity

from activities.failures import own_failures
from domain.batches import (
    BatchItemRef,
    BatchRef,
    BatchRun,
    BatchSweepProgress,
    DecidedItem,
    ItemAdvice,
    ItemDecision,
    JoinRequest,
    OpenRunLook,
    UndecidedItems,
    UnendedBatches,
)
from domain.completeness import Decision
from domain.messages import RunOpening

if TYPE_CHECKING:
    from adapters.database import Catalog
    from adapters.open_runs import OpenRuns

_A_WHILE = timedelta(minutes=2)

_log = structlog.get_logger()


class BatchActivities:
    """The activities of batches. Each may be done again without harm.

    Args:
        open_runs: Temporal's runs.
        max_age: how old a listing may be where a batch does not say.
    """

    def __init__(self, catalog: Catalog, open_runs: OpenRuns, max_age: timedelta) -> None:
        self._catalog = catalog
        self._open_runs = open_runs
        self._max_age = max_age

    @activity.defn
    async def unended_batches(self, progress: BatchSweepProgress) -> UnendedBatches:
        """Return a page of the batches that have not ended although they were asked for a while ago."""
        with own_failures():
            return await self._catalog.batches.unended(progress.after_id or "", before=datetime.now(UTC) - _A_WHILE)

    @activity.defn
    async def undecided_items(self, batch: BatchRef) -> UndecidedItems:
        """The items whose turn has not come; none of a batch that has been taken back."""
        with own_failures():
            return UndecidedItems(await self._catalog.batches.undecided(batch.batch_id))

    @activity.defn
    async def consider_item(self, item: BatchItemRef) -> ItemAdvice:
        """Answer an item from the catalog if no run could change anything; otherwise ask for a run."""
        with own_failures():
            batch = await self._catalog.batches.terms(item.batch_id)
            if batch is None:
                return ItemAdvice(run_needed=False)
            process = await self._catalog.processes.get(item.process_number)
            age = self._max_age if batch.max_age is None else batch.max_age
            if process is not None and process.answers(datetime.now(UTC), age):
                decision = Decision.COMPLETE if process.documents.complete else Decision.SETTLED
                await self._catalog.batches.decide(ItemDecision(item, batch.client, decision))
                return ItemAdvice(run_needed=False)
        return ItemAdvice(run_needed=True, retry_permanent=not age)

    @activity.defn
    async def decide_item(self, decided: ItemDecision) -> DecidedItem:
        """Record that an item's run was started, and subscribe the batch's address to it."""
        with own_failures():
            opening = RunOpening(decided.item.process_number, decided.run_id or "", decided.client)
            return await self._decide(decided, opening)

    @activity.defn
    async def join_run(self, request: JoinRequest) -> DecidedItem:
        """Join the open run of an item's process: record it, and subscribe the batch's address to it.

        Nothing is done if no run is open any more, if it has said already how it ended, or if it is for some of the
        documents only.
        """
        item = request.item
        with own_failures():
            run = await self._open_runs.find(item.process_number)
            if run is None or await self._catalog.runs.is_over(run.id):
                return DecidedItem(decided=False)
            if run.chosen_documents and not request.although_chosen:
                return DecidedItem(decided=False)
            decided = ItemDecision(item, run.client, Decision.ACTIVE, run.id)
            return await self._decide(decided, RunOpening(item.process_number, run.id, run.client))

    async def _decide(self, decided: ItemDecision, opening: RunOpening) -> DecidedItem:
        batch = await self._catalog.batches.terms(decided.item.batch_id)
        if batch is not None and batch.webhook_url is not None:
            delivery = await self._catalog.runs.subscribe(opening, batch.client, batch.webhook_url)
        else:
            delivery = None
            await self._catalog.runs.register(opening)
        await self._catalog.batches.decide(decided)
        _log.info(
            decided.decision.value,
            process=opening.process_number,
            run=opening.run_id,
            batch=decided.item.batch_id,
        )
        return DecidedItem(decided=True, delivery=delivery)

    @activity.defn
    async def look_at_run(self, run: BatchRun) -> OpenRunLook:
        """See how far a run has come. One that Temporal has not open is over; it is closed if it was killed."""
        number = run.process_number
        with own_failures():
            over = await self._catalog.runs.is_over(run.run_id)
            if not over:
                found = await self._open_runs.find(number)
                over = found is None or found.id != run.run_id
                if over:
                    await self._catalog.runs.close_killed(run.run_id)
            counts = await self._catalog.processes.completeness(number)
            court = await self._catalog.court.state()
        return OpenRunLook(over, counts.available + counts.failed, court.failure_code is None)

    @activity.defn
    async def close_killed_run(self, run_id: str) -> None:
        """Close a run that is over, if it has not said so itself: it was killed. The sweep sends its events."""
        with own_failures():
            await self._catalog.runs.close_killed(run_id)

    @activity.defn
    async def end_batch(self, batch: BatchRef) -> None:
        """Note that a batch has ended."""
        with own_failures():
            await self._catalog.batches.end(batch.batch_id)
        _log.info("batch ended", batch=batch.batch_id)
