"""Bringing many processes into the store, a few at a time."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any, TypeAlias

from temporalio import workflow
from temporalio.common import Priority, SearchAttributePair, TypedSearchAttributes
from temporalio.exceptions import ChildWorkflowError, WorkflowAlreadyStartedError

from workflows.deliver_webhook import start_delivery
from workflows.download_process import DownloadProcess
from workflows.options import CATALOG
from workflows.search_attributes import CLIENT, COURT

with workflow.unsafe.imports_passed_through():
    from activities.batches import BatchActivities
    from domain.batches import (
        BatchItemRef,
        BatchProgress,
        BatchRef,
        BatchRequest,
        BatchRun,
        DecidedItem,
        ItemAdvice,
        ItemDecision,
        JoinRequest,
    )
    from domain.completeness import Decision
    from domain.messages import DownloadRequest, RunResult
    from domain.process_number import ProcessNumber

# Runs of one batch that are open at once. Changing it breaks the replay of batches that are open.
BATCH_WINDOW = 20
# A run that gets nothing done for so long holds no other item up any more, unless the court does not answer.
_PATIENCE = timedelta(minutes=5)
# How often a run is looked at that an earlier execution of the batch has started: no handle tells of its end.
_LOOK_EVERY = timedelta(seconds=30)
# Before each further try to start a run where the open one is ending, or for chosen documents, which no batch can
# widen: five minutes altogether. Then that one is joined as it is.
_PAUSES = tuple(timedelta(seconds=pause) for pause in (2, 4, 8, 16, *(30,) * 9))

_Run: TypeAlias = workflow.ChildWorkflowHandle[DownloadProcess, RunResult]


@workflow.defn
class DownloadBatch:
    """One batch; id ``batch-<id>``. Starts the runs of its items as others would, and takes part in none of them.

    A run is started as a child that outlives the batch, or joined if one is open. What became of each item is the
    catalog's to say. A cancelled batch takes no further item, and leaves the runs that are open alone.
    """

    @workflow.init
    def __init__(self, request: BatchRequest) -> None:
        self._request = request
        self._batch = BatchRef(request.batch_id)
        self._carried = deque(request.progress.open_runs)
        self._progress = replace(request.progress, open_runs=())
        self._queue: deque[BatchItemRef] = deque()
        self._cancelled = False

    @workflow.run
    async def run(self, request: BatchRequest) -> BatchProgress:
        """Decide about every item; wait for the runs that were started, as far as they get on."""
        await self._see_through(self._take_items())
        if (self._queue or self._progress.open_runs) and not self._cancelled:
            workflow.continue_as_new(replace(self._request, progress=self._progress))
        await self._see_through(self._tell_end())
        if self._cancelled:
            raise asyncio.CancelledError
        return self._progress

    async def _see_through(self, work: Coroutine[Any, Any, None]) -> None:
        """Do it to its end even if the batch is cancelled meanwhile: what has been started has to be noted."""
        task = asyncio.ensure_future(work)
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            self._cancelled = True
            await task

    async def _take_items(self) -> None:
        undecided = await workflow.execute_activity_method(BatchActivities.undecided_items, self._batch, **CATALOG)
        self._queue.extend(undecided.items)
        self._describe()
        window = min(BATCH_WINDOW, len(self._queue) + len(self._carried))
        # An exception must not leave the other pullers running behind the workflow's back.
        ended = await asyncio.gather(*(self._pull() for _ in range(window)), return_exceptions=True)
        for error in ended:
            if error is not None:
                raise error

    async def _pull(self) -> None:
        while self._carried:
            await self._stay_with(self._carried.popleft())
        while self._queue and not self._leaving:
            await self._take(self._queue.popleft())
            self._describe()

    @property
    def _leaving(self) -> bool:
        return self._cancelled or workflow.info().is_continue_as_new_suggested()

    async def _take(self, item: BatchItemRef) -> None:
        for pause in (*_PAUSES, None):
            advice = await workflow.execute_activity_method(BatchActivities.consider_item, item, **CATALOG)
            if not advice.run_needed:
                self._progress = replace(self._progress, answered=self._progress.answered + 1)
                return
            run = await self._start(item, advice)
            if run is not None:
                await self._stay_with(BatchRun(item.process_number, run.first_execution_run_id or ""), run)
                return
            joined = await workflow.execute_activity_method(
                BatchActivities.join_run, JoinRequest(item, although_chosen=pause is None), **CATALOG
            )
            if joined.decided:
                await self._deliver(item, joined)
                self._progress = replace(self._progress, joined=self._progress.joined + 1)
                return
            if self._leaving:
                break
            with suppress(TimeoutError):
                await workflow.wait_condition(lambda: self._cancelled, timeout=pause or _PAUSES[0])
        # Later, or for the next execution.
        self._queue.append(item)

    async def _start(self, item: BatchItemRef, advice: ItemAdvice) -> _Run | None:
        """Start a run and record it; return None if one is open already."""
        number = ProcessNumber.parse(item.process_number)
        attributes = [SearchAttributePair(COURT, number.court), SearchAttributePair(CLIENT, self._request.client)]
        try:
            run = await workflow.start_child_workflow(
                DownloadProcess.run,
                DownloadRequest(number.canonical, self._request.client, retry_permanent=advice.retry_permanent),
                id=number.canonical,
                parent_close_policy=workflow.ParentClosePolicy.ABANDON,
                search_attributes=TypedSearchAttributes(attributes),
                priority=Priority(priority_key=self._request.priority, fairness_key=self._request.client),
                static_summary=f"{number.court} · {number}",
                static_details="Downloads every document of this process that is not stored yet.",
            )
        except WorkflowAlreadyStartedError:
            return None
        decided = await workflow.execute_activity_method(
            BatchActivities.decide_item,
            ItemDecision(item, self._request.client, Decision.STARTED, run.first_execution_run_id),
            **CATALOG,
        )
        await self._deliver(item, decided)
        self._progress = replace(self._progress, started=self._progress.started + 1)
        return run

    async def _deliver(self, item: BatchItemRef, decided: DecidedItem) -> None:
        """Start the event of a run that was over before the batch had subscribed to it."""
        if decided.delivery is not None:
            await start_delivery(decided.delivery, item.process_number)

    async def _stay_with(self, of_run: BatchRun, run: _Run | None = None) -> None:
        """Keep the run's place in the window for as long as the run gets on, or waits for the court as all do.

        Args:
            of_run: the run.
            run: its handle; None if an earlier execution has started it.
        """
        done, since = -1, workflow.now()
        while True:
            with suppress(TimeoutError):
                await workflow.wait_condition(
                    lambda: self._leaving or (run is not None and run.done()),
                    timeout=_PATIENCE if run is not None else min(_LOOK_EVERY, _PATIENCE),
                    timeout_summary=of_run.process_number,
                )
            if run is not None and run.done():
                await self._note_end(run)
                return
            if self._leaving:
                self._progress = replace(self._progress, open_runs=(*self._progress.open_runs, of_run))
                break
            look = await workflow.execute_activity_method(BatchActivities.look_at_run, of_run, **CATALOG)
            if look.over:
                break
            if look.done != done or not look.court_answers:
                done, since = look.done, workflow.now()
            elif workflow.now() - since >= _PATIENCE:
                break
        if run is not None:
            # Nobody asks this handle any more how it ends.
            run.add_done_callback(lambda ended: ended.cancelled() or ended.exception())

    async def _note_end(self, run: _Run) -> None:
        try:
            await run
        except ChildWorkflowError:
            # How a run ends is told by the catalog and never fails the batch. One that was killed told nothing.
            await workflow.execute_activity_method(
                BatchActivities.close_killed_run, run.first_execution_run_id or "", **CATALOG
            )

    async def _tell_end(self) -> None:
        await workflow.execute_activity_method(BatchActivities.end_batch, self._batch, **CATALOG)

    def _describe(self) -> None:
        done = self._progress
        workflow.set_current_details(
            f"{len(self._queue)} queued · {done.started} started · {done.joined} joined · {done.answered} answered"
        )
