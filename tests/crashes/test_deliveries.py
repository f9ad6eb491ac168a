"""A worker that dies between sending an event and noting it: the subscriber is told again, under the same id."""

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
from tests.support.scripted_server import Asked, answer, scripted
from tests.support.stack import RunningStack


async def miss_soon(stack: RunningStack, workflow_id: str) -> None:
    """Have the attempt that died with its worker be missed now; by itself, it is after a minute."""
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


async def test_an_event_whose_sending_was_not_noted_comes_again_under_its_id(mortal_stack: RunningStack) -> None:
    stack, number = mortal_stack, fresh_number()
    await stack.prepare(number, 1, size_bytes=2_000)
    asked: list[Asked] = []

    async def reply(request: Asked, writer: asyncio.StreamWriter) -> None:
        asked.append(request)
        if len(asked) == 1:
            # Who sent it is dead before there is an answer to note.
            stack.kill("worker")
        writer.write(answer(204))

    async with scripted(reply) as subscriber:
        await stack.request(number, webhook_url=f"{subscriber.origin}/{number}")

        async def sent() -> bool:
            return bool(asked)

        await eventually(sent, "the first sending")
        event_id = asked[0].headers["webhook-id"]
        await miss_soon(stack, f"webhook-{event_id}")

        async def noted() -> list[dict[str, object]]:
            found = await stack.api.get("/webhooks/deliveries", params={"process_number": number})
            logged: list[dict[str, object]] = found.json()["deliveries"]
            return logged if logged[0]["status"] == "delivered" else []

        (delivery,) = await eventually(noted, "the delivery's end", seconds=90)
    assert [request.headers["webhook-id"] for request in asked] == [event_id] * 2
    first, second = (json.loads(request.body) for request in asked)
    assert (first["timestamp"], first["data"]["run"]) == (second["timestamp"], second["data"]["run"])
    assert delivery["id"] == event_id
    attempts = delivery["attempts"]
    assert isinstance(attempts, list)
    assert [(one["number"], one["status_code"]) for one in attempts] == [(1, 204)]
