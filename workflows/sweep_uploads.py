"""Abort multipart uploads that killed workers left behind."""

from __future__ import annotations

from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy

from workflows.details import ended_sweep_details
from workflows.options import PROCESSES_QUEUE, ActivityOptions

with workflow.unsafe.imports_passed_through():
    from activities.storage import StorageActivities
    from domain.text import counted

# If the store is down for an hour, the next sweep does the work.
_SWEEPING: ActivityOptions = {
    "task_queue": PROCESSES_QUEUE,
    "start_to_close_timeout": timedelta(minutes=10),
    "schedule_to_close_timeout": timedelta(hours=1),
    "retry_policy": RetryPolicy(initial_interval=timedelta(seconds=10), maximum_interval=timedelta(minutes=5)),
}


@workflow.defn
class SweepUploads:
    """One sweep over the whole bucket. A schedule starts it every six hours."""

    @workflow.run
    async def run(self) -> int:
        """Sweep. Returns how many uploads were aborted."""
        aborted = await workflow.execute_activity_method(
            StorageActivities.sweep_uploads, summary="leftover uploads", **_SWEEPING
        )
        workflow.set_current_details(ended_sweep_details(f"{counted(aborted, 'leftover upload')} aborted."))
        return aborted
