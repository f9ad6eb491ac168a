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


async def start_delivery(delivery: DeliveryRef, process_number: str) -> None:
    """Start telling one subscriber, from a workflow that does not wait for it."""
    try:
        await workflow.start_child_workflow(
            DeliverWebhook.run,
            DeliveryRequest(delivery.id),
            id=f"webhook-{delivery.id}",
            parent_close_policy=workflow.ParentClosePolicy.ABANDON,
            static_summary=f"webhook for {process_number}",
        )
    except WorkflowAlreadyStartedError:
        # Started by an execution of the run that did not live to say so.
        return


@workflow.defn
class DeliverWebhook:
    """One event for one subscriber; id ``webhook-<event id>``. Runs apart: its process is free meanwhile."""

    @workflow.run
    async def run(self, request: DeliveryRequest) -> bool:
        """Attempt until it is delivered, refused for good, or the schedule is over; say which."""
        delays = [delay * (1 + _JITTER * workflow.random().random()) for delay in DELIVERY_SCHEDULE]
        wait = delays[0]
        for number, next_delay in enumerate((*delays[1:], None), start=1):
            if wait:
                await workflow.sleep(timedelta(seconds=wait), summary=f"before attempt {number}")
            result = await workflow.execute_activity_method(
                WebhookActivities.send_webhook,
                DeliveryAttempt(request.delivery_id, number, next_delay),
                summary=f"attempt {number} of {len(delays)}",
                **SENDING,
            )
            if result.delivered or result.gone or next_delay is None:
                return result.delivered
            wait = max(next_delay, result.retry_after or 0.0)
        return False
