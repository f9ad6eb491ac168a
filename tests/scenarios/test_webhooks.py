"""Every subscriber is told, once, of the end of the run that it joined."""

from __future__ import annotations

import asyncio

import httpx

from domain.webhooks import EventType
from tests.support.conditions import eventually
from tests.support.event_schemas import assert_is_event
from tests.support.numbers import fresh_number
from tests.support.receiver import Receiver
from tests.support.stack import RunningStack


async def test_the_event_carries_counts_and_links_that_open(stack: RunningStack, receiver: Receiver) -> None:
    number = fresh_number()
    await stack.prepare(number, 3)
    await stack.request(number, webhook_url=f"{receiver.url}/{number}")

    async def told() -> bool:
        return bool(receiver.at(f"/{number}"))

    await eventually(told, "the webhook")
    event = receiver.at(f"/{number}")[0].event
    assert event["version"] == 1
    assert_is_event(EventType.PROCESS_COMPLETED, event)
    data = event["data"]
    assert data["process_number"] == number
    assert data["outcome"] == "completed"
    assert (data["total_documents"], data["available_documents"]) == (3, 3)
    assert data["status_url"] == f"{stack.addresses['api']}/processes/{number}/status"
    async with httpx.AsyncClient() as reader:
        for document in data["documents"]:
            assert (await reader.get(document["download_url"])).status_code == 200


async def test_no_subscriber_is_lost_whenever_it_joins(stack: RunningStack, receiver: Receiver) -> None:
    promised: list[str] = []
    for _ in range(6):
        number = fresh_number()
        await stack.prepare(number, 2, size_bytes=2_000)
        await stack.request(number)
        # Ask all the way through the end of the run and past it.
        for index in range(400):
            path = f"/{number}/late-{index}"
            answer = await stack.request(number, webhook_url=f"{receiver.url}{path}")
            if answer.status_code == 200:
                break
            promised.append(path)

    async def all_told() -> bool:
        return all(receiver.at(path) for path in promised)

    await eventually(all_told, "every promised event", seconds=60)
    await asyncio.gather(*(stack.ended(path.split("/")[1]) for path in promised))
    assert all(len(receiver.at(path)) == 1 for path in promised)
    assert len(promised) > 6
