"""Start overdue deliveries, and close killed runs and builds."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import replace

from temporalio import workflow

from workflows.deliver_webhook import start_delivery
from workflows.details import ended_sweep_details
from workflows.options import CATALOG

with workflow.unsafe.imports_passed_through():
    from activities.killed_builds import KilledBuildActivities
    from activities.killed_runs import RunActivities
    from activities.webhooks import WebhookActivities
    from domain.delivery_messages import DeliveryRef
    from domain.sweep_messages import KilledRunsRequest, SweepProgress
    from domain.text import counted


# Sweeps that began before builds were closed.
_CLOSES_BUILDS = "close-killed-builds"


@workflow.defn
class SweepDeliveries:
    """One sweep over all pages. A schedule starts it every five minutes.

    First it closes the runs that were killed, which can announce nothing themselves. Then it starts the deliveries
    without a workflow: an API that dies between creating a delivery and starting it leaves one behind. At last it
    closes the builds that were killed.
    """

    @workflow.run
    async def run(self, progress: SweepProgress = SweepProgress()) -> int:  # noqa: B008 - frozen.
        """Sweep. Returns how many deliveries were started."""
        while progress.runs is not None:
            killed = await workflow.execute_activity_method(
                RunActivities.close_killed_runs, progress.runs, summary="runs that were killed", **CATALOG
            )
            following = KilledRunsRequest(killed.following) if killed.following else None
            progress = await _start_page(replace(progress, runs=following), killed.deliveries)
        if not workflow.patched(_CLOSES_BUILDS):
            progress = replace(progress, builds=None)
        while progress.overdue is not None:
            # A delivery that is overdue because all workers were down has an open workflow: starting it is a no-op.
            page = await workflow.execute_activity_method(
                WebhookActivities.overdue_deliveries, progress.overdue, summary="overdue deliveries", **CATALOG
            )
            progress = await _start_page(replace(progress, overdue=page.following), page.deliveries)
        while progress.builds is not None:
            builds = await workflow.execute_activity_method(
                KilledBuildActivities.close_killed_builds,
                progress.builds,
                summary="builds that were killed",
                **CATALOG,
            )
            progress = await _start_page(replace(progress, builds=builds.following), builds.deliveries)
        workflow.set_current_details(
            ended_sweep_details(
                f"{counted(progress.started, 'delivery', 'deliveries')} started, or under way already."
            )
        )
        return progress.started


async def _start_page(progress: SweepProgress, deliveries: Iterable[DeliveryRef]) -> SweepProgress:
    """Start a page of deliveries. Continues as new before the next page if Temporal suggests it."""
    started = await asyncio.gather(*(start_delivery(one, "an overdue event") for one in deliveries))
    progress = replace(progress, started=progress.started + len(started))
    is_left = progress.runs is not None or progress.builds is not None or progress.overdue is not None
    if workflow.info().is_continue_as_new_suggested() and is_left:
        workflow.continue_as_new(progress)
    return progress
