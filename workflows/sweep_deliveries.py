"""Starting what should be under way: deliveries whose starter did not live to start them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import replace

from temporalio import workflow

from workflows.deliver_webhook import start_delivery
from workflows.options import CATALOG

with workflow.unsafe.imports_passed_through():
    from activities.runs import RunActivities
    from activities.webhooks import WebhookActivities
    from domain.messages import DeliveryRef, KilledRunsRequest, SweepProgress


@workflow.defn
class SweepDeliveries:
    """One look for events that nobody sends, which a schedule starts every few minutes; to the last page.

    First it closes the runs that were killed, which can announce nothing themselves. Then it starts the deliveries
    that nobody attempts: an API that dies between creating a delivery and starting it leaves such a one.
    """

    @workflow.run
    async def run(self, progress: SweepProgress = SweepProgress()) -> int:  # noqa: B008 - frozen.
        """Start them; return how many there were."""
        while progress.runs is not None:
            killed = await workflow.execute_activity_method(
                RunActivities.close_killed_runs, progress.runs, summary="runs that were killed", **CATALOG
            )
            following = KilledRunsRequest(killed.following) if killed.following else None
            progress = await _started(replace(progress, runs=following), killed.deliveries)
        while progress.overdue is not None:
            # What is overdue because every worker was away is under way already: starting it anew does nothing.
            page = await workflow.execute_activity_method(
                WebhookActivities.overdue_deliveries, progress.overdue, summary="overdue deliveries", **CATALOG
            )
            progress = await _started(replace(progress, overdue=page.following), page.deliveries)
        return progress.started


async def _started(progress: SweepProgress, deliveries: Iterable[DeliveryRef]) -> SweepProgress:
    """Start a page of deliveries; continue as new before the next page if Temporal suggests it."""
    started = await asyncio.gather(*(start_delivery(one, "an overdue event") for one in deliveries))
    progress = replace(progress, started=progress.started + len(started))
    if workflow.info().is_continue_as_new_suggested() and (progress.runs or progress.overdue):
        workflow.continue_as_new(progress)
    return progress
