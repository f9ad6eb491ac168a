"""Starting what should be under way: deliveries whose starter did not live to start them."""

from __future__ import annotations

import asyncio

from temporalio import workflow

from workflows.deliver_webhook import start_delivery
from workflows.options import CATALOG

with workflow.unsafe.imports_passed_through():
    from activities.webhooks import WebhookActivities
    from domain.messages import OverdueRequest

# What is overdue because every worker was away is under way already, and starting it anew does nothing.
_MOST_PAGES = 20


@workflow.defn
class SweepDeliveries:
    """One look for deliveries that nobody attempts, which a schedule starts every few minutes.

    An API that dies between noting a late subscriber and having it told leaves such a delivery, and so does one
    that dies while it has a delivery sent again.
    """

    @workflow.run
    async def run(self) -> int:
        """Start them; how many were overdue."""
        found = 0
        following: OverdueRequest | None = OverdueRequest()
        for _ in range(_MOST_PAGES):
            if following is None:
                break
            page = await workflow.execute_activity_method(
                WebhookActivities.overdue_deliveries, following, summary="overdue deliveries", **CATALOG
            )
            await asyncio.gather(*(start_delivery(one, "an overdue event") for one in page.deliveries))
            found, following = found + len(page.deliveries), page.following
        return found
