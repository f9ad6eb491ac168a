"""Download many processes, a few at a time."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any, TypeAlias

from temporalio import workflow
from temporalio.exceptions import ChildWorkflowError, WorkflowAlreadyStartedError

from workflows.deliver_webhook import start_delivery
from workflows.details import batch_details, ended_batch_details
from workflows.download_process import DownloadProcess
from workflows.options import CATALOG
from workflows.starts import download_process_options

with workflow.unsafe.imports_passed_through():
    from activities.batches import BatchActivities
    from domain.batch_messages import (
        BatchItemRef,
        BatchProgress,
        BatchRef,
        BatchRequest,
        BatchRun,
        DecidedItem,
        ItemDecision,
        ItemPlan,
        JoinRequest,
    )
    from domain.completeness import Decision
    from domain.run_messages import DownloadRequest, RunResult

# Runs of one batch that are open at once. Changing it breaks the replay of batches that are open.
BATCH_WINDOW = 20
# A run without progress for this long gives its place in the window to the next item, unless the court is down.
_STALL_LIMIT = timedelta(minutes=5)
# How often a run that an earlier execution of the batch started is polled: there is no handle to wait on.
_POLL_INTERVAL = timedelta(seconds=30)
# Delays between attempts to start a run while the open one is ending, or is for chosen documents (a workflow cannot
# widen it): five minutes altogether. After that the open run is joined as it is.
_RETRY_DELAYS = tuple(timedelta(seconds=pause) for pause in (2, 4, 8, 16, *(30,) * 9))

_Run: TypeAlias = workflow.ChildWorkflowHandle[DownloadProcess, RunResult]


@workflow.defn
class DownloadBatch:
    """One batch, id ``batch-<id>``. It starts the runs of its items as single requests would.

    A run is started as a child that outlives the batch, or joined if one is open. The result of each item is in the
    catalog. A cancelled batch starts no further item and leaves open runs alone.
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
        """Decide about every item, and wait for the started runs while they make progress."""
        await self._complete_despite_cancellation(self._process_items())
        if (self._queue or self._progress.open_runs) and not self._cancelled:
            workflow.continue_as_new(replace(self._request, progress=self._progress))
        await self._complete_despite_cancellation(self._record_end())
        if self._cancelled:
            raise asyncio.CancelledError
        return self._progress

    async def _complete_despite_cancellation(self, work: Coroutine[Any, Any, None]) -> None:
        """Complete the work even if the batch is cancelled meanwhile: every started run must be recorded."""
        task = asyncio.ensure_future(work)
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            self._cancelled = True
            await task

    async def _process_items(self) -> None:
        undecided = await workflow.execute_activity_method(BatchActivities.undecided_items, self._batch, **CATALOG)
        self._queue.extend(undecided.items)
        self._describe()
        window = min(BATCH_WINDOW, len(self._queue) + len(self._carried))
        # An exception must not leave the other pullers running behind the workflow's back.
        ended = await asyncio.gather(*(self._process_queue() for _ in range(window)), return_exceptions=True)
        for error in ended:
            if error is not None:
                raise error

    async def _process_queue(self) -> None:
        while self._carried:
            await self._wait_while_progressing(self._carried.popleft())
        while self._queue and not self._is_stopping:
            await self._process_item(self._queue.popleft())
            self._describe()

    @property
    def _is_stopping(self) -> bool:
        return self._cancelled or workflow.info().is_continue_as_new_suggested()

    async def _process_item(self, item: BatchItemRef) -> None:
        for pause in (*_RETRY_DELAYS, None):
            advice = await workflow.execute_activity_method(BatchActivities.consider_item, item, **CATALOG)
            if not advice.run_needed:
                self._progress = replace(self._progress, answered=self._progress.answered + 1)
                return
            run = await self._start_run(item, advice)
            if run is not None:
                await self._wait_while_progressing(
                    BatchRun(item.process_number, run.first_execution_run_id or ""), run
                )
                return
            joined = await workflow.execute_activity_method(
                BatchActivities.join_run, JoinRequest(item, although_chosen=pause is None), **CATALOG
            )
            if joined.decided:
                await self._start_delivery_if_due(item, joined)
                self._progress = replace(self._progress, joined=self._progress.joined + 1)
                return
            if self._is_stopping:
                break
            with suppress(TimeoutError):
                await workflow.wait_condition(lambda: self._cancelled, timeout=pause or _RETRY_DELAYS[0])
        # For a later turn, or for the next execution.
        self._queue.append(item)

    async def _start_run(self, item: BatchItemRef, advice: ItemPlan) -> _Run | None:
        """Start a run and record it. Returns None if one is open already."""
        request = DownloadRequest(item.process_number, self._request.client, retry_permanent=advice.retry_permanent)
        try:
            run = await workflow.start_child_workflow(
                DownloadProcess.run,
                request,
                parent_close_policy=workflow.ParentClosePolicy.ABANDON,
                **download_process_options(request, self._request.priority),
            )
        except WorkflowAlreadyStartedError:
            return None
        decided = await workflow.execute_activity_method(
            BatchActivities.decide_item,
            ItemDecision(item, self._request.client, Decision.STARTED, run.first_execution_run_id),
            **CATALOG,
        )
        await self._start_delivery_if_due(item, decided)
        self._progress = replace(self._progress, started=self._progress.started + 1)
        return run

    async def _start_delivery_if_due(self, item: BatchItemRef, decided: DecidedItem) -> None:
        """Start the delivery of a run that was over before the batch had subscribed to it."""
        if decided.delivery is not None:
            await start_delivery(decided.delivery, item.process_number)

    async def _wait_while_progressing(self, of_run: BatchRun, run: _Run | None = None) -> None:
        """Keep the run's place in the window while the run makes progress, or waits for the court as all runs do.

        Args:
            of_run: the run.
            run: Its handle, or None if an earlier execution started it.
        """
        done, since = -1, workflow.now()
        while True:
            with suppress(TimeoutError):
                await workflow.wait_condition(
                    lambda: self._is_stopping or (run is not None and run.done()),
                    timeout=_STALL_LIMIT if run is not None else min(_POLL_INTERVAL, _STALL_LIMIT),
                    timeout_summary=of_run.process_number,
                )
            if run is not None and run.done():
                await self._await_end(run)
                return
            if self._is_stopping:
                self._progress = replace(self._progress, open_runs=(*self._progress.open_runs, of_run))
                break
            look = await workflow.execute_activity_method(BatchActivities.look_at_run, of_run, **CATALOG)
            if look.over:
                break
            if look.done != done or not look.court_answers:
                done, since = look.done, workflow.now()
            elif workflow.now() - since >= _STALL_LIMIT:
                break
        if run is not None:
            # Nothing awaits this handle any more: retrieve its exception so that it is not logged as unhandled.
            run.add_done_callback(lambda ended: ended.cancelled() or ended.exception())

    async def _await_end(self, run: _Run) -> None:
        try:
            await run
        except ChildWorkflowError:
            # The catalog knows how the run ended; its failure never fails the batch. A killed run recorded nothing.
            await workflow.execute_activity_method(
                BatchActivities.close_killed_run, run.first_execution_run_id or "", **CATALOG
            )

    async def _record_end(self) -> None:
        await workflow.execute_activity_method(BatchActivities.end_batch, self._batch, **CATALOG)
        done = self._progress
        workflow.set_current_details(
            ended_batch_details(self._batch.batch_id, len(self._queue), done.started, done.joined, done.answered)
        )

    def _describe(self) -> None:
        done = self._progress
        workflow.set_current_details(batch_details(len(self._queue), done.started, done.joined, done.answered))
