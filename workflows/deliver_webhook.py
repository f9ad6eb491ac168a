"""Deliver one event to one subscriber, following the published retry schedule."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from temporalio import workflow
from temporalio.exceptions import ActivityError, WorkflowAlreadyStartedError

from workflows.details import cancelled_delivery_details, delivery_details, ended_delivery_details
from workflows.options import SENDING
from workflows.starts import deliver_webhook_options, delivery_request

with workflow.unsafe.imports_passed_through():
    from activities.webhooks import WebhookActivities
    from domain.delivery_messages import DeliveryAttempt, DeliveryRef, DeliveryRequest
    from domain.webhooks import DELIVERY_SCHEDULE

_JITTER = 0.1


async def start_delivery(delivery: DeliveryRef, subject: str) -> None:
    """Start a delivery from a workflow that does not wait for it.

    Args:
        delivery: The delivery to start.
        subject: What the event is about, for people.
    """
    try:
        await workflow.start_child_workflow(
            DeliverWebhook.run,
            delivery_request(delivery),
            parent_close_policy=workflow.ParentClosePolicy.ABANDON,
            **deliver_webhook_options(delivery.id, subject),
        )
    except WorkflowAlreadyStartedError:
        # Started before, by a caller that died before it could record that; or still being attempted.
        return


@workflow.defn
class DeliverWebhook:
    """One event for one subscriber, id ``webhook-<event id>``. Apart from the run, so that the process is free."""

    @workflow.run
    async def run(self, request: DeliveryRequest) -> bool:
        """Attempt until delivered, permanently refused, or the schedule ends. Returns whether it was delivered."""
        try:
            return await self._deliver(request)
        except (ActivityError, asyncio.CancelledError):
            workflow.set_current_details(cancelled_delivery_details(request.delivery_id))
            raise

    async def _deliver(self, request: DeliveryRequest) -> bool:
        delays = [delay * (1 + _JITTER * workflow.random().random()) for delay in DELIVERY_SCHEDULE]
        wait = delays[0]
        last = request.first_attempt + len(delays) - 1
        for place, next_delay in enumerate((*delays[1:], None)):
            number = request.first_attempt + place
            if wait:
                due_at = workflow.now() + timedelta(seconds=wait)
                workflow.set_current_details(delivery_details(number, last, due_at))
                await workflow.sleep(timedelta(seconds=wait), summary=f"before attempt {number}")
            workflow.set_current_details(delivery_details(number, last, None))
            result = await workflow.execute_activity_method(
                WebhookActivities.send_webhook,
                DeliveryAttempt(request.delivery_id, number, next_delay),
                summary=f"attempt {number} of {last}",
                **SENDING,
            )
            if result.delivered or result.gone or next_delay is None:
                workflow.set_current_details(
                    ended_delivery_details(request.delivery_id, number, delivered=result.delivered)
                )
                return result.delivered
            wait = max(next_delay, result.retry_after or 0.0)
        return False
