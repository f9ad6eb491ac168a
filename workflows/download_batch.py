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
from temporalio.exceptions import ApplicationError, ChildWorkflowError, WorkflowAlreadyStartedError

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
        ItemDecision,
        OpenRunLook,
    )
    from domain.completeness import Decision
    from domain.messages import DownloadRequest, ProcessRef, RunResult
    from domain.process_number import ProcessNumber

# Runs of one batch that are open at once. Changing it breaks the replay of batches that are open.
BATCH_WINDOW = 20
# A run that gets nothing done for so long holds no other item up any more, unless the court does not answer.
_PATIENCE = timedelta(minutes=5)
# If each time a run is open at the start and gone when it is told, the second has begun behind our subscription.
_TRIES = 3
_CHOSEN_RUN_PAUSES = tuple(timedelta(seconds=pause) for pause in (2, 4, 8, 16, *(30,) * 9))

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
        self._progress = request.progress
        self._queue: deque[BatchItemRef] = deque()
        self._cancelled = False

    @workflow.run
    async def run(self, request: BatchRequest) -> BatchProgress:
        """Decide about every item; wait for the runs that were started, as far as they get on."""
        await self._see_through(self._take_items())
        if self._queue and not self._cancelled:
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
        window = min(BATCH_WINDOW, len(self._queue))
        # An exception must not leave the other pullers running behind the workflow's back.
        ended = await asyncio.gather(*(self._pull() for _ in range(window)), return_exceptions=True)
        for error in ended:
            if error is not None:
                raise error

    async def _pull(self) -> None:
        while self._queue and not self._leaving:
            await self._take(self._queue.popleft())
            self._describe()

    @property
    def _leaving(self) -> bool:
        return self._cancelled or workflow.info().is_continue_as_new_suggested()

    async def _take(self, item: BatchItemRef) -> None:
        advice = await workflow.execute_activity_method(BatchActivities.consider_item, item, **CATALOG)
        if not advice.run_needed:
            self._progress = replace(self._progress, answered=self._progress.answered + 1)
            return
        for _ in range(_TRIES):
            run = await self._start(item)
            if run is not None:
                await self._stay_with(item, run)
                return
            if await self._has_outlived_choice(item):
                if self._leaving:
                    # For the next execution, if there is one.
                    self._queue.append(item)
                    return
                # Its end has claimed our subscription, and may have been all that was missing.
                advice = await workflow.execute_activity_method(BatchActivities.consider_item, item, **CATALOG)
                if not advice.run_needed:
                    self._progress = replace(self._progress, answered=self._progress.answered + 1)
                    return
                continue
            if not advice.subscribed or await self._tell(item):
                break
        await self._decide(ItemDecision(item, self._request.client, Decision.ACTIVE))
        self._progress = replace(self._progress, joined=self._progress.joined + 1)

    async def _start(self, item: BatchItemRef) -> _Run | None:
        """Start a run and note it; none if one is open already."""
        number = ProcessNumber.parse(item.process_number)
        attributes = [SearchAttributePair(COURT, number.court), SearchAttributePair(CLIENT, self._request.client)]
        try:
            run = await workflow.start_child_workflow(
                DownloadProcess.run,
                DownloadRequest(number.canonical, self._request.client),
                id=number.canonical,
                parent_close_policy=workflow.ParentClosePolicy.ABANDON,
                search_attributes=TypedSearchAttributes(attributes),
                priority=Priority(priority_key=self._request.priority, fairness_key=self._request.client),
                static_summary=f"{number.court} · {number}",
                static_details="Downloads every document of this process that is not stored yet.",
            )
        except WorkflowAlreadyStartedError:
            return None
        await self._decide(ItemDecision(item, self._request.client, Decision.STARTED, run.first_execution_run_id))
        self._progress = replace(self._progress, started=self._progress.started + 1)
        return run

    async def _stay_with(self, item: BatchItemRef, run: _Run) -> None:
        """Keep the run's place in the window for as long as the run gets on, or waits for the court as all do."""
        done = -1
        while True:
            with suppress(TimeoutError):
                await workflow.wait_condition(
                    lambda: run.done() or self._cancelled, timeout=_PATIENCE, timeout_summary=item.process_number
                )
            if run.done():
                await self._note_end(run)
                return
            if not self._leaving:
                look = await self._look(item)
                held_up = look.court_answers and look.done == done
                done = look.done
            if self._leaving or held_up:
                # Nobody asks any more how it ends.
                run.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
                return

    async def _note_end(self, run: _Run) -> None:
        try:
            await run
        except ChildWorkflowError:
            # How a run ends is told by the catalog and never fails the batch. One that was killed told nothing.
            await workflow.execute_activity_method(
                BatchActivities.close_killed_run, run.first_execution_run_id or "", **CATALOG
            )

    async def _has_outlived_choice(self, item: BatchItemRef) -> bool:
        """Wait for the end of an open run that is for some of the documents only, which no signal can widen.

        Returns:
            Whether there was one and it is over, or is no more to be waited for here. One that takes minutes is
            taken as it is.
        """
        for looks, pause in enumerate(_CHOSEN_RUN_PAUSES):
            if not (await self._look(item)).chosen:
                return looks > 0
            if self._leaving:
                return True
            with suppress(TimeoutError):
                await workflow.wait_condition(lambda: self._cancelled, timeout=pause)
        return False

    async def _tell(self, item: BatchItemRef) -> bool:
        """Tell the open run of our subscription; not if it has ended meanwhile."""
        try:
            await workflow.get_external_workflow_handle_for(DownloadProcess.run, item.process_number).signal(
                DownloadProcess.subscribe
            )
        except ApplicationError:
            return False
        return True

    async def _look(self, item: BatchItemRef) -> OpenRunLook:
        return await workflow.execute_activity_method(
            BatchActivities.look_at_run, ProcessRef(item.process_number), **CATALOG
        )

    async def _decide(self, decided: ItemDecision) -> None:
        await workflow.execute_activity_method(BatchActivities.decide_item, decided, **CATALOG)

    async def _tell_end(self) -> None:
        await workflow.execute_activity_method(BatchActivities.end_batch, self._batch, **CATALOG)

    def _describe(self) -> None:
        done = self._progress
        workflow.set_current_details(
            f"{len(self._queue)} queued · {done.started} started · {done.joined} joined · {done.answered} answered"
        )
