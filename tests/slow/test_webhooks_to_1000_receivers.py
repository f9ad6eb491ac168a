"""Webhooks to a thousand receivers, a fifth of which never answer: the others do not wait for them."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.support.conditions import eventually
from tests.support.numbers import fresh_number
from tests.support.receiver import running_receiver
from tests.support.scripted_server import ReceivedRequest, ScriptedServer, scripted
from tests.support.stack import RunningStack, running_stack

RUNS = 1000
AT_ONCE = 20
# How long a sender waits for a receiver that never answers.
SEND_TIMEOUT_SECONDS = 15.0


async def never_answer(_: ReceivedRequest, __: asyncio.StreamWriter) -> None:
    """Accept a request and never answer."""
    await asyncio.Event().wait()


async def list_deliveries(stack: RunningStack, status: str) -> list[dict[str, Any]]:
    """Return every delivery with a status, from all pages."""
    deliveries: list[dict[str, Any]] = []
    address: str | None = f"/webhooks/deliveries?limit=100&status={status}"
    while address:
        page = (await stack.api.get(address)).raise_for_status().json()
        deliveries += page["deliveries"]
        address = page["deliveries_next"]
    return deliveries


@pytest.mark.long
@pytest.mark.timeout(900)
async def test_no_delivery_waits_behind_a_receiver_that_never_answers(tmp_path: Path) -> None:
    numbers = [fresh_number() for _ in range(RUNS)]
    dead, alive = set(numbers[::5]), [number for place, number in enumerate(numbers) if place % 5]
    slots = asyncio.Semaphore(AT_ONCE)
    async with running_stack(tmp_path) as stack, scripted(never_answer) as silent:
        with running_receiver(stack.addresses["webhook_secret"]) as receiver:

            async def run_and_wait(number: str, origin: str) -> None:
                async with slots:
                    await stack.create_process(number, 1, size_bytes=2_000)

                    async def accepted() -> bool:
                        # A busy SQLite answers 503 with Retry-After.
                        answer = await stack.request_download(number, webhook_url=f"{origin}/{number}")
                        return answer.status_code != 503

                    async def event_sent() -> bool:
                        if number in dead:
                            return f"/{number}" in silent.targets
                        return bool(receiver.events_at(f"/{number}"))

                    await eventually(accepted, f"the request for {number}", seconds=120)
                    # The next run begins afterwards, so only silent receivers could cause a queue.
                    await eventually(event_sent, f"the event of {number}", seconds=120)

            await asyncio.gather(
                *(run_and_wait(number, silent.origin if number in dead else receiver.url) for number in numbers)
            )
            delivered = await eventually(lambda: delivered_log(stack, len(alive)), "every delivery in the log")
            # Every silent receiver gets a second attempt.
            await eventually(lambda: requested_twice(silent, len(dead)), "a second attempt at each silent receiver")
            assert sorted(event.path for event in receiver.received) == sorted(f"/{number}" for number in alive)
            undelivered = await list_deliveries(stack, "pending")
    assert {each["process_number"] for each in delivered} == set(alive)
    assert {len(each["attempts"]) for each in delivered} == {1}
    assert {each["id"] for each in delivered} == {event.event_id for event in receiver.received}
    assert sorted(each["process_number"] for each in undelivered) == sorted(dead)
    assert ids_by_path(silent) == {f"/{each['process_number']}": {each["id"]} for each in undelivered}
    delays = sorted(timestamp(each["delivered_at"]) - timestamp(each["created_at"]) for each in delivered)
    # A delivery behind a single silent receiver would wait for the whole timeout.
    assert delays[-1] < SEND_TIMEOUT_SECONDS


async def delivered_log(stack: RunningStack, amount: int) -> list[dict[str, Any]] | None:
    """Return the delivered events of the log once there are so many, otherwise `None`."""
    deliveries = await list_deliveries(stack, "delivered")
    return deliveries if len(deliveries) == amount else None


async def requested_twice(server: ScriptedServer, paths: int) -> bool:
    """Return whether so many paths were requested twice or more."""
    return sum(times > 1 for times in Counter(server.targets).values()) == paths


def ids_by_path(server: ScriptedServer) -> dict[str, set[str]]:
    """Return the event ids that a server received at each path."""
    ids: dict[str, set[str]] = {}
    for request in server.requests:
        ids.setdefault(request.target, set()).add(request.headers["webhook-id"])
    return ids


def timestamp(text: str) -> float:
    """Return the seconds since the epoch of an ISO 8601 time."""
    return datetime.fromisoformat(text).timestamp()
