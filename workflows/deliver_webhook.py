"""Telling one subscriber of one event, for as long as the published schedule says."""

from __future__ import annotations

from datetime import timedelta

from temporalio import workflow
from temporalio.exceptions import WorkflowAlreadyStartedError

from workflows.options import SENDING

with workflow.unsafe.imports_passed_through():
    from activities.webhooks import WebhookActivities
    from domain.messages import DeliveryAttempt, DeliveryRef, DeliveryRequest
    from domain.webhooks import DELIVERY_SCHEDULE

_JITTER = 0.1


async def start_delivery(delivery: DeliveryRef, about: str) -> None:
    """Start telling one subscriber, from a workflow that does not wait for it.

    Args:
        delivery: what to deliver.
        about: what it tells of, for people.
    """
    try:
        await workflow.start_child_workflow(
            DeliverWebhook.run,
            DeliveryRequest(delivery.id, delivery.first_attempt),
            id=f"webhook-{delivery.id}",
            parent_close_policy=workflow.ParentClosePolicy.ABANDON,
            static_summary=f"webhook for {about}",
        )
    except WorkflowAlreadyStartedError:
        # Started by one that did not live to say so, or still at work.
        return


@workflow.defn
class DeliverWebhook:
    """One event for one subscriber; id ``webhook-<event id>``. Runs apart: its process is free meanwhile."""

    @workflow.run
    async def run(self, request: DeliveryRequest) -> bool:
        """Attempt until it is delivered, refused for good, or the schedule is over; whether it was delivered."""
        delays = [delay * (1 + _JITTER * workflow.random().random()) for delay in DELIVERY_SCHEDULE]
        wait = delays[0]
        for place, next_delay in enumerate((*delays[1:], None)):
            number = request.first_attempt + place
            if wait:
                await workflow.sleep(timedelta(seconds=wait), summary=f"before attempt {number}")
            result = await workflow.execute_activity_method(
                WebhookActivities.send_webhook,
                DeliveryAttempt(request.delivery_id, number, next_delay),
                summary=f"attempt {place + 1} of {len(delays)}",
                **SENDING,
            )
            if result.delivered or result.gone or next_delay is None:
                return result.delivered
            wait = max(next_delay, result.retry_after or 0.0)
        return False
