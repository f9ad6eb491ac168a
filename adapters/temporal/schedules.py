"""The schedules by which Temporal starts workflows at intervals: one table."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

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
from domain.watches import SWEEP_SECONDS
from workflows.audit_store import AuditStore
from workflows.options import PROCESSES_QUEUE
from workflows.review_alerts import ReviewAlerts
from workflows.starts import HOUSEKEEPING
from workflows.sweep_batches import SweepBatches
from workflows.sweep_bundles import SweepBundles
from workflows.sweep_deliveries import SweepDeliveries
from workflows.sweep_erasures import SweepErasures
from workflows.sweep_history import SweepHistory
from workflows.sweep_uploads import SweepUploads
from workflows.sweep_watches import SweepWatches

# Missed starts are not made up for: one sweep does the work of many.
_CATCH_UP = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class WorkflowSchedule:
    """A workflow that Temporal starts at an interval, never twice at the same time.

    Attributes:
        id: Id of the schedule and prefix of its workflows' ids.
        workflow: The workflow's run method.
        every: The interval.
        summary: What it does, for the Temporal UI.
    """

    id: str
    workflow: Callable[..., Awaitable[Any]]
    every: timedelta
    summary: str


SWEEP_UPLOADS = WorkflowSchedule("sweep-uploads", SweepUploads.run, timedelta(hours=6), "leftover uploads")
SWEEP_DELIVERIES = WorkflowSchedule(
    "sweep-deliveries", SweepDeliveries.run, timedelta(minutes=5), "overdue webhooks"
)
SWEEP_BATCHES = WorkflowSchedule("sweep-batches", SweepBatches.run, timedelta(minutes=5), "batches left alone")
SWEEP_BUNDLES = WorkflowSchedule("sweep-bundles", SweepBundles.run, timedelta(hours=6), "old bundles")
SWEEP_HISTORY = WorkflowSchedule("sweep-history", SweepHistory.run, timedelta(hours=6), "old history")
SWEEP_ERASURES = WorkflowSchedule(
    "sweep-erasures", SweepErasures.run, timedelta(minutes=10), "unfinished erasures, and processes past retention"
)
SWEEP_WATCHES = WorkflowSchedule(
    "sweep-watches", SweepWatches.run, timedelta(seconds=SWEEP_SECONDS), "looks at watched processes"
)
REVIEW_ALERTS = WorkflowSchedule("review-alerts", ReviewAlerts.run, timedelta(minutes=1), "alerts to the operator")
# Every day it asks whether an audit is due: AUTOS_AUDIT_DAYS may change, and a schedule stays as it is.
AUDIT_STORE = WorkflowSchedule("audit-store", AuditStore.run, timedelta(days=1), "audit of the bucket")

SCHEDULES = (
    *(SWEEP_UPLOADS, SWEEP_DELIVERIES, SWEEP_BATCHES, SWEEP_BUNDLES, SWEEP_HISTORY, SWEEP_ERASURES),
    *(SWEEP_WATCHES, REVIEW_ALERTS, AUDIT_STORE),
)


async def ensure_schedules(client: Client) -> None:
    """Create every schedule that Temporal does not have yet. Existing ones stay as they are.

    Raises:
        DependencyUnavailable: Temporal does not answer, or refuses.
    """
    for schedule in SCHEDULES:
        await _ensure(client, schedule)


async def _ensure(client: Client, schedule: WorkflowSchedule) -> None:
    try:
        await client.create_schedule(
            schedule.id,
            Schedule(
                action=ScheduleActionStartWorkflow(
                    schedule.workflow,
                    id=schedule.id,
                    task_queue=PROCESSES_QUEUE,
                    static_summary=f"{HOUSEKEEPING} · {schedule.summary}",
                ),
                spec=ScheduleSpec(intervals=[ScheduleIntervalSpec(every=schedule.every)]),
                policy=SchedulePolicy(overlap=ScheduleOverlapPolicy.SKIP, catchup_window=_CATCH_UP),
            ),
        )
    except ScheduleAlreadyRunningError:
        return
    except RPCError as error:
        raise DependencyUnavailable(
            "temporal", f"Temporal did not take the schedule {schedule.id} ({error.status.name})."
        ) from None
