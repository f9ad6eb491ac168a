"""Looking whether the operator has to be told of something."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from temporalio import workflow

from workflows.deliver_webhook import start_delivery
from workflows.options import CATALOG, ActivityOptions

with workflow.unsafe.imports_passed_through():
    from activities.alerts import AlertActivities


# A look takes a moment, and ten seconds more while the store does not answer. One that died with its worker is
# missed soon, since no other begins before.
_LOOKING: ActivityOptions = {**CATALOG, "start_to_close_timeout": timedelta(seconds=20)}


@workflow.defn
class ReviewAlerts:
    """One look, which a schedule starts every minute.

    What it finds is in the catalog before anything is started, so events whose starter dies are found overdue.
    """

    @workflow.run
    async def run(self) -> int:
        """Have the operator told; how many events there were."""
        found = await workflow.execute_activity_method(
            AlertActivities.review_alerts, summary="what lasts, and what is over", **_LOOKING
        )
        await asyncio.gather(*(start_delivery(one, "the operator") for one in found))
        return len(found)
