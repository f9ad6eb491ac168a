"""Taking away what killed workers have left half uploaded."""

from __future__ import annotations

from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy

from workflows.options import PROCESSES_QUEUE, ActivityOptions

with workflow.unsafe.imports_passed_through():
    from activities.storage import StorageActivities

# If the store is away for an hour, the next sweep will do.
_SWEEPING: ActivityOptions = {
    "task_queue": PROCESSES_QUEUE,
    "start_to_close_timeout": timedelta(minutes=10),
    "schedule_to_close_timeout": timedelta(hours=1),
    "retry_policy": RetryPolicy(initial_interval=timedelta(seconds=10), maximum_interval=timedelta(minutes=5)),
}


@workflow.defn
class SweepUploads:
    """One sweep over the whole bucket, which a schedule starts every few hours."""

    @workflow.run
    async def run(self) -> int:
        """Sweep; how many uploads were aborted."""
        return await workflow.execute_activity_method(
            StorageActivities.sweep_uploads, summary="leftover uploads", **_SWEEPING
        )
