"""A worker that dies between sending an event and recording it: the event is sent again under the same id."""

from __future__ import annotations

import asyncio
import json

from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask
from temporalio.api.activity.v1 import ActivityOptions
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import UpdateActivityOptionsRequest

from tests.support.conditions import eventually
from tests.support.numbers import fresh_number
from tests.support.scripted_server import ReceivedRequest, answer, scripted
from tests.support.stack import RunningStack


async def shorten_attempt_timeout(stack: RunningStack, workflow_id: str) -> None:
    """Make the attempt that died with its worker time out within seconds instead of a minute."""
    described = await stack.temporal.get_workflow_handle(workflow_id).describe()
    (pending,) = described.raw_description.pending_activities
    await stack.temporal.workflow_service.update_activity_options(
        UpdateActivityOptionsRequest(
            namespace="default",
            execution=WorkflowExecution(workflow_id=workflow_id),
            id=pending.activity_id,
            activity_options=ActivityOptions(start_to_close_timeout=Duration(seconds=5)),
            update_mask=FieldMask(paths=["start_to_close_timeout"]),
        )
    )


async def test_an_event_that_was_sent_but_not_recorded_is_sent_again_under_its_id(
    crash_stack: RunningStack,
) -> None:
    stack, number = crash_stack, fresh_number()
    await stack.create_process(number, 1, size_bytes=2_000)
    requests: list[ReceivedRequest] = []

    async def reply(request: ReceivedRequest, writer: asyncio.StreamWriter) -> None:
        requests.append(request)
        if len(requests) == 1:
            # The worker dies before it has the answer.
            stack.kill_service("worker")
        writer.write(answer(204))

    async with scripted(reply) as subscriber:
        await stack.request_download(number, webhook_url=f"{subscriber.origin}/{number}")

        async def first_sent() -> bool:
            return bool(requests)

        await eventually(first_sent, "the first request")
        event_id = requests[0].headers["webhook-id"]
        await shorten_attempt_timeout(stack, f"webhook-{event_id}")

        async def delivered() -> list[dict[str, object]]:
            answer = await stack.api.get("/webhooks/deliveries", params={"process_number": number})
            deliveries: list[dict[str, object]] = answer.json()["deliveries"]
            return deliveries if deliveries and deliveries[0]["status"] == "delivered" else []

        (delivery,) = await eventually(delivered, "the delivery's end", seconds=90)
    assert [request.headers["webhook-id"] for request in requests] == [event_id] * 2
    first, second = (json.loads(request.body) for request in requests)
    assert (first["timestamp"], first["data"]["run"]) == (second["timestamp"], second["data"]["run"])
    assert delivery["id"] == event_id
    attempts = delivery["attempts"]
    assert isinstance(attempts, list)
    assert [(attempt["number"], attempt["status_code"]) for attempt in attempts] == [(1, 204)]
