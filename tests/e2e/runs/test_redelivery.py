"""Redelivery: an event is sent again on request, alone or with all that failed, under its own id."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from standardwebhooks import Webhook

from tests.support.deliveries import (
    get_failing_endpoint,
    send_test_event,
    wait_for_only_delivery,
    wait_until_delivery,
)
from tests.support.numbers import fresh_number
from tests.support.receiver import Receiver
from tests.support.scripted_server import ReceivedRequest, answer, scripted
from tests.support.stack import RunningStack


async def test_redelivery_sends_an_event_again_under_its_id(stack: RunningStack, receiver: Receiver) -> None:
    number = fresh_number()
    await stack.create_process(number, 1)
    await stack.request_download(number, webhook_url=f"{receiver.url}/{number}")
    await stack.wait_until_ended(number)
    delivery = await wait_for_only_delivery(stack, number)
    await wait_until_delivery(stack, delivery["id"], "delivered", 1)

    answer = await stack.api.post(f"/webhooks/deliveries/{delivery['id']}/redeliver")

    assert answer.status_code == 202, answer.text
    redelivered = await wait_until_delivery(stack, delivery["id"], "delivered", 2)
    assert [attempt["number"] for attempt in redelivered["attempts"]] == [1, 2]
    first, second = receiver.events_at(f"/{number}")
    assert (first.event_id, first.event["timestamp"]) == (second.event_id, second.event["timestamp"])
    # The second event is built again, with new links; the run in it is the same.
    assert first.event["data"]["run"] == second.event["data"]["run"]


async def test_all_failed_deliveries_can_be_redelivered(stack: RunningStack, receiver: Receiver) -> None:
    began = datetime.now(UTC)
    paths = [f"/{fresh_number()}" for _ in range(3)]
    for path in paths:
        receiver.planned_failures[path] = [410]
    failed_ids = [(await send_test_event(stack, f"{receiver.url}{path}"))["id"] for path in paths]
    for delivery_id in failed_ids:
        await wait_until_delivery(stack, delivery_id, "failed", 1)

    selection = {"failed_since": began.isoformat()}
    answer = await stack.api.post("/webhooks/deliveries/redeliver", json=selection)

    assert answer.json() == {"redelivered": 3, "more": False}
    for delivery_id in failed_ids:
        await wait_until_delivery(stack, delivery_id, "delivered", 2)
    assert [receiver.events_at(path)[0].event_id for path in paths] == failed_ids
    assert (await stack.api.post("/webhooks/deliveries/redeliver", json=selection)).json()["redelivered"] == 0


async def test_a_failed_attempt_is_repeated_under_the_same_event_id(stack: RunningStack) -> None:
    number = fresh_number()
    await stack.create_process(number, 1)
    secret, accepting = Webhook(stack.addresses["webhook_secret"]), asyncio.Event()
    received: list[str] = []

    async def reply(request: ReceivedRequest, writer: asyncio.StreamWriter) -> None:
        """Fail once. The second attempt, five seconds later, is not answered until the first was looked at."""
        secret.verify(request.body, request.headers)
        received.append(request.headers["webhook-id"])
        if len(received) > 1:
            await accepting.wait()
        writer.write(answer(503 if len(received) == 1 else 204))

    async with scripted(reply) as server:
        await stack.request_download(number, webhook_url=f"{server.origin}/{number}")
        await stack.wait_until_ended(number)
        delivery = await wait_for_only_delivery(stack, number)
        waiting = await wait_until_delivery(stack, delivery["id"], "pending", 1)

        # An event cannot be redelivered while attempts are still planned.
        refused = await stack.api.post(f"/webhooks/deliveries/{delivery['id']}/redeliver")
        assert (refused.status_code, refused.json()["code"]) == (409, "delivery_pending")
        assert refused.json()["next_attempt_at"] == waiting["next_attempt_at"]
        endpoint = await get_failing_endpoint(stack, delivery["url"])
        assert endpoint is not None
        assert endpoint["switched_off_at"] is None

        accepting.set()
        await wait_until_delivery(stack, delivery["id"], "delivered", 2)
        assert received == [delivery["id"]] * 2
        assert await get_failing_endpoint(stack, delivery["url"]) is None
