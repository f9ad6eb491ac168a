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
SWEEP_DELIVERIES = "sweep-deliveries"
SWEEP_BATCHES = "sweep-batches"
REVIEW_ALERTS = "review-alerts"
# Sweeps that were missed are not made up for: one is as good as many.
_CATCH_UP = timedelta(minutes=10)


async def ensure_sweep(client: Client, *, task_queue: str) -> None:
    """Have ``SweepUploads`` run every six hours, never two at once. A schedule that is there stays as it is.

    Args:
        task_queue: where the workflow is served.

    Raises:
        DependencyUnavailable: Temporal does not answer, or does not let us.
    """
    action = ScheduleActionStartWorkflow(
        "SweepUploads", id=SWEEP_UPLOADS, task_queue=task_queue, static_summary="leftover uploads"
    )
    await _ensure(client, SWEEP_UPLOADS, action, every=timedelta(hours=6))


async def ensure_delivery_sweep(client: Client, *, task_queue: str) -> None:
    """Have ``SweepDeliveries`` run every five minutes, likewise.

    Args:
        task_queue: where the workflow is served.

    Raises:
        DependencyUnavailable: Temporal does not answer, or does not let us.
    """
    action = ScheduleActionStartWorkflow(
        "SweepDeliveries", id=SWEEP_DELIVERIES, task_queue=task_queue, static_summary="overdue webhooks"
    )
    await _ensure(client, SWEEP_DELIVERIES, action, every=timedelta(minutes=5))


async def ensure_batch_sweep(client: Client, *, task_queue: str) -> None:
    """Have ``SweepBatches`` run every five minutes, likewise.

    Args:
        task_queue: where the workflow is served.

    Raises:
        DependencyUnavailable: Temporal does not answer, or does not let us.
    """
    action = ScheduleActionStartWorkflow(
        "SweepBatches", id=SWEEP_BATCHES, task_queue=task_queue, static_summary="batches left alone"
    )
    await _ensure(client, SWEEP_BATCHES, action, every=timedelta(minutes=5))


async def ensure_alert_review(client: Client, *, task_queue: str) -> None:
    """Have ``ReviewAlerts`` run every minute, likewise.

    Args:
        task_queue: where the workflow is served.

    Raises:
        DependencyUnavailable: Temporal does not answer, or does not let us.
    """
    action = ScheduleActionStartWorkflow(
        "ReviewAlerts", id=REVIEW_ALERTS, task_queue=task_queue, static_summary="alerts to the operator"
    )
    await _ensure(client, REVIEW_ALERTS, action, every=timedelta(minutes=1))


async def _ensure(client: Client, name: str, action: ScheduleActionStartWorkflow, *, every: timedelta) -> None:
    schedule = Schedule(
        action=action,
        spec=ScheduleSpec(intervals=[ScheduleIntervalSpec(every=every)]),
        policy=SchedulePolicy(overlap=ScheduleOverlapPolicy.SKIP, catchup_window=_CATCH_UP),
    )
    try:
        await client.create_schedule(name, schedule)
    except ScheduleAlreadyRunningError:
        return
    except RPCError as error:
        raise DependencyUnavailable(
            "temporal", f"Temporal did not take the schedule {name} ({error.status.name})."
        ) from None
