"""Finding batches that nobody works off."""

from __future__ import annotations

from temporalio import workflow
from temporalio.common import Priority, SearchAttributePair, TypedSearchAttributes
from temporalio.exceptions import WorkflowAlreadyStartedError

from workflows.download_batch import DownloadBatch
from workflows.options import CATALOG
from workflows.search_attributes import CLIENT

with workflow.unsafe.imports_passed_through():
    from activities.batches import BatchActivities
    from domain.batches import BatchRequest, BatchSweepProgress


@workflow.defn
class SweepBatches:
    """One look for batches that have not ended and are not being worked off, which a schedule starts.

    A batch whose workflow was terminated is such a one, and one whose API died before it had started the workflow.
    Only a batch that is cancelled ends before its last item.
    """

    @workflow.run
    async def run(self, progress: BatchSweepProgress = BatchSweepProgress()) -> int:  # noqa: B008 - frozen.
        """Have them continued, page by page to the last one; return how many there were."""
        while progress.after_id is not None:
            page = await workflow.execute_activity_method(
                BatchActivities.unended_batches, progress, summary="batches that have not ended", **CATALOG
            )
            taken_up = progress.taken_up
            for batch in page.batches:
                taken_up += await self._take_up(batch)
            progress = BatchSweepProgress(page.following, taken_up)
            if progress.after_id is not None and workflow.info().is_continue_as_new_suggested():
                workflow.continue_as_new(progress)
        return progress.taken_up

    async def _take_up(self, batch: BatchRequest) -> bool:
        try:
            await workflow.start_child_workflow(
                DownloadBatch.run,
                batch,
                id=f"batch-{batch.batch_id}",
                parent_close_policy=workflow.ParentClosePolicy.ABANDON,
                search_attributes=TypedSearchAttributes([SearchAttributePair(CLIENT, batch.client)]),
                static_summary=f"a batch of {batch.client}",
                static_details="Starts a run for each process of the batch that needs one, a few at a time.",
                priority=Priority(priority_key=batch.priority, fairness_key=batch.client),
            )
        except WorkflowAlreadyStartedError:
            return False
        return True
