"""Delete bundles whose retention is over, and compare the others with the bucket."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy

from workflows.details import ended_sweep_details
from workflows.options import HEARTBEAT_TIMEOUT, PROCESSES_QUEUE, ActivityOptions

with workflow.unsafe.imports_passed_through():
    from activities.bundle_sweep import BundleSweepActivities
    from domain.bundle_messages import BundleSweepProgress
    from domain.text import counted

_STEPS = {
    "expire": "bundles past retention",
    "verify": "bundles without a file",
    "orphans": "files without a bundle",
}
# If the store is down for an hour, the next sweep does the work.
_SWEEPING: ActivityOptions = {
    "task_queue": PROCESSES_QUEUE,
    "start_to_close_timeout": timedelta(minutes=30),
    "schedule_to_close_timeout": timedelta(hours=1),
    "heartbeat_timeout": HEARTBEAT_TIMEOUT,
    "retry_policy": RetryPolicy(initial_interval=timedelta(seconds=10), maximum_interval=timedelta(minutes=5)),
}


@workflow.defn
class SweepBundles:
    """One sweep over all bundles. A schedule starts it every six hours."""

    @workflow.run
    async def run(self, progress: BundleSweepProgress = BundleSweepProgress()) -> int:  # noqa: B008 - frozen.
        """Sweep. Returns how many bundles and files were deleted."""
        steps = list(_STEPS)
        for step in steps[steps.index(progress.step) :]:
            progress = replace(progress, step=step, after=progress.after if step == progress.step else "")
            progress = await self._sweep(progress)
        workflow.set_current_details(ended_sweep_details(f"{counted(progress.deleted, 'bundle or file')} deleted."))
        return progress.deleted

    async def _sweep(self, progress: BundleSweepProgress) -> BundleSweepProgress:
        while True:
            page = await workflow.execute_activity_method(
                BundleSweepActivities.sweep_bundles, progress, summary=_STEPS[progress.step], **_SWEEPING
            )
            progress = replace(progress, after=page.following or "", deleted=progress.deleted + page.deleted)
            if page.following is None:
                return progress
            if workflow.info().is_continue_as_new_suggested():
                workflow.continue_as_new(progress)
