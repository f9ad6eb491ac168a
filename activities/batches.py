"""The activities by which a batch reads and writes the catalog."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import structlog
from temporalio import activity

from activities.errors import translating_infrastructure_errors
from domain.batch_messages import (
    BatchItemRef,
    BatchRef,
    BatchRun,
    BatchSweepProgress,
    DecidedItem,
    ItemDecision,
    ItemPlan,
    JoinRequest,
    RunObservation,
    UndecidedItems,
    UnendedBatches,
)
from domain.completeness import Decision
from domain.errors import ProcessErased
from domain.process_number import ProcessNumber
from domain.processes import retries_permanent_failures
from domain.run_messages import RunOpening

if TYPE_CHECKING:
    from adapters.database import Catalog
    from adapters.temporal.run_client import RunClient

_MIN_AGE = timedelta(minutes=2)

_log = structlog.get_logger()


class BatchActivities:
    """The activities of batches. Each is idempotent.

    Args:
        runs: Finds runs in Temporal.
        max_age: The maximum age of a listing, for batches that do not state one.
    """

    def __init__(self, catalog: Catalog, runs: RunClient, max_age: timedelta) -> None:
        self._catalog = catalog
        self._runs = runs
        self._max_age = max_age

    @activity.defn
    async def unended_batches(self, progress: BatchSweepProgress) -> UnendedBatches:
        """Return a page of the batches that were created at least two minutes ago and have not ended."""
        with translating_infrastructure_errors():
            return await self._catalog.batches.list_unended(
                progress.after_id or "", before=datetime.now(UTC) - _MIN_AGE
            )

    @activity.defn
    async def undecided_items(self, batch: BatchRef) -> UndecidedItems:
        """Return the items without a decision. Empty if the batch has been deleted."""
        with translating_infrastructure_errors():
            return UndecidedItems(await self._catalog.batches.list_undecided_items(batch.batch_id))

    @activity.defn
    async def consider_item(self, item: BatchItemRef) -> ItemPlan:
        """Answer an item from the catalog if a run could change nothing. Otherwise return that it needs a run."""
        with translating_infrastructure_errors():
            batch = await self._catalog.batches.get_without_items(item.batch_id)
            if batch is None or not await self._catalog.batches.is_undecided(item):
                return ItemPlan(run_needed=False)
            try:
                process = await self._catalog.processes.get(item.process_number)
            except ProcessErased:
                await self._mark_erased(item)
                return ItemPlan(run_needed=False)
            age = self._max_age if batch.max_age is None else batch.max_age
            decision = process.catalog_decision(datetime.now(UTC), age) if process is not None else None
            if decision is not None:
                await self._catalog.batches.record_decision(ItemDecision(item, batch.client, decision))
                return ItemPlan(run_needed=False)
        return ItemPlan(run_needed=True, retry_permanent=retries_permanent_failures(age))

    @activity.defn
    async def decide_item(self, decided: ItemDecision) -> DecidedItem:
        """Record that an item's run was started, and subscribe the batch's webhook URL to it."""
        with translating_infrastructure_errors():
            opening = RunOpening(decided.item.process_number, decided.run_id or "", decided.client)
            return await self._record_decision(decided, opening)

    @activity.defn
    async def join_run(self, request: JoinRequest) -> DecidedItem:
        """Join the open run of an item's process: record it, and subscribe the batch's webhook URL to it.

        Does nothing if no run is open any more, if the run has recorded its end already, or if it is for chosen
        documents only and the request does not accept that.
        """
        item = request.item
        with translating_infrastructure_errors():
            run = await self._runs.find_open(ProcessNumber.parse(item.process_number))
            if run is None or await self._catalog.runs.has_ended(run.id):
                return DecidedItem(decided=False)
            if run.chosen_documents is not None and not request.although_chosen:
                return DecidedItem(decided=False)
            decided = ItemDecision(item, run.client, Decision.ACTIVE, run.id)
            return await self._record_decision(decided, RunOpening(item.process_number, run.id, run.client))

    async def _record_decision(self, decided: ItemDecision, opening: RunOpening) -> DecidedItem:
        try:
            return await self._register_decision(decided, opening)
        except ProcessErased:
            # The run of the item refuses itself.
            await self._mark_erased(decided.item)
            return DecidedItem(decided=True)

    async def _mark_erased(self, item: BatchItemRef) -> None:
        await self._catalog.batches.mark_erased(item)
        _log.info("item of an erased process", batch=item.batch_id, position=item.position)

    async def _register_decision(self, decided: ItemDecision, opening: RunOpening) -> DecidedItem:
        batch = await self._catalog.batches.get_without_items(decided.item.batch_id)
        if batch is not None and batch.webhook_url is not None:
            delivery = await self._catalog.runs.subscribe(opening, batch.client, batch.webhook_url)
        else:
            delivery = None
            await self._catalog.runs.register(opening)
            if batch is not None and decided.decision is Decision.ACTIVE:
                await self._catalog.runs.follow(opening, batch.client)
        await self._catalog.batches.record_decision(decided)
        _log.info(
            decided.decision.value,
            process=opening.process_number,
            run=opening.run_id,
            batch=decided.item.batch_id,
        )
        return DecidedItem(decided=True, delivery=delivery)

    @activity.defn
    async def look_at_run(self, run: BatchRun) -> RunObservation:
        """Return the progress of a run. One that is not open in Temporal is over; if it was killed, close it."""
        number = run.process_number
        with translating_infrastructure_errors():
            is_over = await self._catalog.runs.has_ended(run.run_id)
            if not is_over:
                open_run = await self._runs.find_open(ProcessNumber.parse(number))
                is_over = open_run is None or open_run.id != run.run_id
                if is_over:
                    await self._catalog.runs.close_killed(run.run_id)
            counts = await self._catalog.processes.count_documents(number)
            court = await self._catalog.court_state.read_state()
        return RunObservation(is_over, counts.available + counts.failed, court.failure_code is None)

    @activity.defn
    async def close_killed_run(self, run_id: str) -> None:
        """Close a run that has ended without recording it: it was killed. The delivery sweep sends its events."""
        with translating_infrastructure_errors():
            await self._catalog.runs.close_killed(run_id)

    @activity.defn
    async def end_batch(self, batch: BatchRef) -> None:
        """Record that a batch has ended."""
        with translating_infrastructure_errors():
            await self._catalog.batches.mark_ended(batch.batch_id)
        _log.info("batch ended", batch=batch.batch_id)
