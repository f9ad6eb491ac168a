"""Raise and clear the alerts to the operator."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from temporalio import workflow

from workflows.deliver_webhook import start_delivery
from workflows.details import ended_sweep_details
from workflows.options import CATALOG, ActivityOptions

with workflow.unsafe.imports_passed_through():
    from activities.alerts import AlertActivities
    from domain.text import counted


# A review takes a moment, and ten seconds more while the store does not answer. The timeout is short because no
# other review starts while one is lost with its worker.
_REVIEW: ActivityOptions = {**CATALOG, "start_to_close_timeout": timedelta(seconds=20)}


@workflow.defn
class ReviewAlerts:
    """One review. A schedule starts it every minute.

    Its events are in the catalog before any delivery is started: if the worker dies in between, the sweep of
    overdue deliveries finds them.
    """

    @workflow.run
    async def run(self) -> int:
        """Review, and start the deliveries. Returns how many events there were."""
        found = await workflow.execute_activity_method(
            AlertActivities.review_alerts, summary="what lasts, and what is over", **_REVIEW
        )
        await asyncio.gather(*(start_delivery(one, "the operator") for one in found))
        workflow.set_current_details(
            ended_sweep_details(f"{counted(len(found), 'webhook')} started about alerts raised or cleared.")
        )
        return len(found)
