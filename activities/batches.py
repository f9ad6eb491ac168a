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
    ItemAdvice,
    ItemDecision,
    OpenRunLook,
    UndecidedItems,
    UnendedBatches,
)
from domain.completeness import Decision
from domain.messages import ProcessRef, RunOpening

if TYPE_CHECKING:
    from adapters.database import Catalog

_A_WHILE = timedelta(minutes=2)

_log = structlog.get_logger()


class BatchActivities:
    """The activities of batches. Each may be done again without harm.

    Args:
        max_age: how old a listing may be where a batch does not say.
    """

    def __init__(self, catalog: Catalog, max_age: timedelta) -> None:
        self._catalog = catalog
        self._max_age = max_age

    @activity.defn
    async def unended_batches(self) -> UnendedBatches:
        """Batches that have not ended although they were asked for a while ago; a page of them."""
        with own_failures():
            return UnendedBatches(await self._catalog.batches.unended(before=datetime.now(UTC) - _A_WHILE))

    @activity.defn
    async def undecided_items(self, batch: BatchRef) -> UndecidedItems:
        """The items whose turn has not come; none of a batch that has been taken back."""
        with own_failures():
            return UndecidedItems(await self._catalog.batches.undecided(batch.batch_id))

    @activity.defn
    async def consider_item(self, item: BatchItemRef) -> ItemAdvice:
        """Answer an item from the catalog, if no run could change anything; else subscribe, and ask for a run.

        The subscription is written before the run is started or told, so that its end finds it.
        """
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
            if batch.webhook_url is not None:
                await self._catalog.webhooks.subscribe(item.process_number, batch.client, batch.webhook_url)
        return ItemAdvice(run_needed=True, subscribed=batch.webhook_url is not None)

    @activity.defn
    async def decide_item(self, decided: ItemDecision) -> None:
        """Note that an item's run was started or joined."""
        number = decided.item.process_number
        with own_failures():
            if decided.run_id is not None:
                await self._catalog.runs.register(RunOpening(number, decided.run_id, decided.client))
                batch = await self._catalog.batches.terms(decided.item.batch_id)
                if batch is not None and batch.webhook_url is not None:
                    # The end of the run before may have claimed what was waiting.
                    await self._catalog.webhooks.subscribe(
                        number, batch.client, batch.webhook_url, unless_by=decided.run_id
                    )
            await self._catalog.batches.decide(decided)
        _log.info(decided.decision.value, process=number, run=decided.run_id, batch=decided.item.batch_id)

    @activity.defn
    async def look_at_run(self, process: ProcessRef) -> OpenRunLook:
        """See how far the open run for a process has come; neither the court nor Temporal is asked."""
        with own_failures():
            known = await self._catalog.processes.get(process.process_number)
            court = await self._catalog.court.state()
        latest = known.latest_run if known else None
        return OpenRunLook(
            done=known.documents.available + known.documents.failed if known else 0,
            chosen=latest is not None and latest.outcome is None and latest.chosen_documents is not None,
            court_answers=court.failure_code is None,
        )

    @activity.defn
    async def close_killed_run(self, run_id: str) -> None:
        """Note that a run is over, if it has not said so itself: it was killed."""
        with own_failures():
            await self._catalog.batches.close_killed(run_id)

    @activity.defn
    async def end_batch(self, batch: BatchRef) -> None:
        """Note that a batch has ended."""
        with own_failures():
            await self._catalog.batches.end(batch.batch_id)
        _log.info("batch ended", batch=batch.batch_id)
