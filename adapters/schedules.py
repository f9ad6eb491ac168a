"""What Temporal starts by itself, time and again."""

from __future__ import annotations

from datetime import timedelta

from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleIntervalSpec,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleSpec,
)
from temporalio.service import RPCError

from domain.errors import DependencyUnavailable

SWEEP_UPLOADS = "sweep-uploads"
_EVERY = timedelta(hours=6)
# Sweeps that were missed are not made up for: one is as good as many.
_CATCH_UP = timedelta(minutes=10)


async def ensure_sweep(client: Client, *, task_queue: str) -> None:
    """Have ``SweepUploads`` run every six hours, never two at once. A schedule that is there stays as it is.

    Args:
        task_queue: where the workflow is served.

    Raises:
        DependencyUnavailable: Temporal does not answer, or does not let us.
    """
    schedule = Schedule(
        action=ScheduleActionStartWorkflow(
            "SweepUploads", id=SWEEP_UPLOADS, task_queue=task_queue, static_summary="leftover uploads"
        ),
        spec=ScheduleSpec(intervals=[ScheduleIntervalSpec(every=_EVERY)]),
        policy=SchedulePolicy(overlap=ScheduleOverlapPolicy.SKIP, catchup_window=_CATCH_UP),
    )
    try:
        await client.create_schedule(SWEEP_UPLOADS, schedule)
    except ScheduleAlreadyRunningError:
        return
    except RPCError as error:
        raise DependencyUnavailable(
            "temporal", f"Temporal did not take the schedule {SWEEP_UPLOADS} ({error.status.name})."
        ) from None
