"""Continue batches whose workflow was lost."""

from __future__ import annotations

from temporalio import workflow
from temporalio.exceptions import WorkflowAlreadyStartedError

from workflows.details import ended_sweep_details
from workflows.download_batch import DownloadBatch
from workflows.options import CATALOG
from workflows.starts import download_batch_options

with workflow.unsafe.imports_passed_through():
    from activities.batches import BatchActivities
    from domain.batch_messages import BatchRequest, BatchSweepProgress
    from domain.text import counted


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
                taken_up += await self._continue_batch(batch)
            progress = BatchSweepProgress(page.following, taken_up)
            if progress.after_id is not None and workflow.info().is_continue_as_new_suggested():
                workflow.continue_as_new(progress)
        workflow.set_current_details(
            ended_sweep_details(
                f"{counted(progress.taken_up, 'batch', 'batches')} continued whose workflow was lost."
            )
        )
        return progress.taken_up

    async def _continue_batch(self, batch: BatchRequest) -> bool:
        try:
            await workflow.start_child_workflow(
                DownloadBatch.run,
                batch,
                parent_close_policy=workflow.ParentClosePolicy.ABANDON,
                **download_batch_options(batch),
            )
        except WorkflowAlreadyStartedError:
            return False
        return True
