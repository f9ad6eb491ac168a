"""Webhooks: every subscriber gets one event at the end of the run that it joined."""

from __future__ import annotations

import asyncio

import httpx2

from domain.webhooks import EventType
from tests.support.conditions import eventually
from tests.support.event_schemas import assert_is_event
from tests.support.numbers import fresh_number
from tests.support.receiver import Receiver
from tests.support.stack import RunningStack


async def test_an_event_has_counts_and_links_that_open(stack: RunningStack, receiver: Receiver) -> None:
    number = fresh_number()
    await stack.create_process(number, 3)
    await stack.request_download(number, webhook_url=f"{receiver.url}/{number}")

    [received] = await receiver.wait_for_events(f"/{number}")
    event = received.event
    assert event["version"] == 1
    assert_is_event(EventType.PROCESS_COMPLETED, event)
    data = event["data"]
    assert data["process_number"] == number
    assert data["outcome"] == "completed"
    assert (data["total_documents"], data["available_documents"]) == (3, 3)
    assert data["status_url"] == f"{stack.addresses['api']}/processes/{number}/status"
    async with httpx2.AsyncClient(timeout=60) as reader:
        for document in data["documents"]:
            assert (await reader.get(document["download_url"])).status_code == 200


async def test_every_subscriber_gets_one_event_whenever_it_joins(stack: RunningStack, receiver: Receiver) -> None:
    accepted: list[str] = []
    for _ in range(6):
        number = fresh_number()
        await stack.create_process(number, 2, size_bytes=2_000)
        await stack.request_download(number)
        # Send requests until the run has ended, so that some of them meet its end.
        for index in range(400):
            path = f"/{number}/late-{index}"
            answer = await stack.request_download(number, webhook_url=f"{receiver.url}{path}")
            if answer.status_code == 200:
                break
            accepted.append(path)

    for path in accepted:
        await receiver.wait_for_events(path, seconds=60)
    await asyncio.gather(*(stack.wait_until_ended(path.split("/")[1]) for path in accepted))
    assert all(len(receiver.events_at(path)) == 1 for path in accepted)
    assert len(accepted) > 6


async def test_a_subscriber_with_notify_always_gets_the_event_of_the_open_run(
    stack: RunningStack, receiver: Receiver
) -> None:
    number = fresh_number()
    await stack.create_process(number, 2)
    await stack.set_latency(3)
    await stack.request_download(number)
    (await stack.api.post(f"/processes/{number}/pause")).raise_for_status()
    await stack.set_latency(0)

    async def both_available() -> bool:
        # A run that was paused while it listed has downloaded nothing yet: let it go on for a moment.
        status = await stack.get_status(number)
        if status["available_documents"] == 0 and status["phase"] == "paused":
            (await stack.api.post(f"/processes/{number}/resume")).raise_for_status()
            paused = await stack.api.post(f"/processes/{number}/pause")
            # It may have ended meanwhile.
            assert paused.is_success or paused.json()["code"] in ("run_finishing", "no_open_run"), paused.text
        return bool(status["available_documents"] == 2 or status["status"] == "completed")

    await eventually(both_available, "both documents")
    subscription = {"webhook_url": f"{receiver.url}/{number}", "notify": "always"}
    answer = await stack.api.post(f"/processes/{number}/downloads", json=subscription)
    assert answer.status_code in (200, 202)
    if answer.status_code == 202:
        assert answer.json()["decision"] == "active"
        (await stack.api.post(f"/processes/{number}/resume")).raise_for_status()
    await stack.wait_until_ended(number)

    [received] = await receiver.wait_for_events(f"/{number}")
    assert received.event["type"] == "process.completed"
