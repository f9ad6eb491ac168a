"""A thousand runs with a subscriber each, one in five of whom never answers: the others do not wait for them."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.support.conditions import eventually
from tests.support.numbers import fresh_number
from tests.support.receiver import receiving
from tests.support.scripted_server import Asked, ScriptedServer, scripted
from tests.support.stack import RunningStack, running_stack

RUNS = 1000
AT_ONCE = 20
# How long one that never answers holds whoever sends to it.
HELD_SECONDS = 15.0


async def silent(_: Asked, __: asyncio.StreamWriter) -> None:
    """Take a request, and never answer."""
    await asyncio.Event().wait()


async def log_of(stack: RunningStack, status: str) -> list[dict[str, Any]]:
    """Every delivery that has a status."""
    found: list[dict[str, Any]] = []
    address: str | None = f"/webhooks/deliveries?limit=100&status={status}"
    while address:
        page = (await stack.api.get(address)).raise_for_status().json()
        found += page["deliveries"]
        address = page["deliveries_next"]
    return found


@pytest.mark.long
@pytest.mark.timeout(900)
async def test_nobody_waits_behind_a_subscriber_that_never_answers(tmp_path: Path) -> None:
    numbers = [fresh_number() for _ in range(RUNS)]
    dead, alive = set(numbers[::5]), [number for place, number in enumerate(numbers) if place % 5]
    turns = asyncio.Semaphore(AT_ONCE)
    async with running_stack(tmp_path) as stack, scripted(silent) as nobody:
        with receiving(stack.addresses["webhook_secret"]) as receiver:

            async def ask(number: str, origin: str) -> None:
                async with turns:
                    await stack.prepare(number, 1, size_bytes=2_000)

                    async def taken() -> bool:
                        # A busy SQLite asks for patience.
                        answer = await stack.request(number, webhook_url=f"{origin}/{number}")
                        return answer.status_code != 503

                    async def told() -> bool:
                        if number in dead:
                            return f"/{number}" in nobody.targets
                        return bool(receiver.at(f"/{number}"))

                    await eventually(taken, f"the request for {number}", seconds=120)
                    # The next one begins afterwards: there is no queue but what those that are silent would make.
                    await eventually(told, f"the event of {number}", seconds=120)

            await asyncio.gather(
                *(ask(number, nobody.origin if number in dead else receiver.url) for number in numbers)
            )
            delivered = await eventually(lambda: all_logged(stack, len(alive)), "the log of it")
            # Those that never answer have been tried at least once more meanwhile.
            await eventually(lambda: tried_twice(nobody, len(dead)), "a second attempt at each that is silent")
            assert sorted(event.path for event in receiver.received) == sorted(f"/{number}" for number in alive)
            undelivered = await log_of(stack, "pending")
    assert {one["process_number"] for one in delivered} == set(alive)
    assert {len(one["attempts"]) for one in delivered} == {1}
    assert {one["id"] for one in delivered} == {event.event_id for event in receiver.received}
    assert sorted(one["process_number"] for one in undelivered) == sorted(dead)
    assert ids_by_path(nobody) == {f"/{one['process_number']}": {one["id"]} for one in undelivered}
    waited = sorted(moment(one["delivered_at"]) - moment(one["created_at"]) for one in delivered)
    # Who waits behind a single one that is silent waits as long as that one is waited for.
    assert waited[-1] < HELD_SECONDS


async def all_logged(stack: RunningStack, amount: int) -> list[dict[str, Any]] | None:
    """The log, once it has so many deliveries."""
    found = await log_of(stack, "delivered")
    return found if len(found) == amount else None


async def tried_twice(server: ScriptedServer, paths: int) -> bool:
    """Whether so many paths have been asked for twice or more."""
    return sum(times > 1 for times in Counter(server.targets).values()) == paths


def ids_by_path(server: ScriptedServer) -> dict[str, set[str]]:
    """Under which ids a server was told of something, at each of its paths."""
    found: dict[str, set[str]] = {}
    for asked in server.requests:
        found.setdefault(asked.target, set()).add(asked.headers["webhook-id"])
    return found


def moment(text: str) -> float:
    """Seconds since the epoch."""
    return datetime.fromisoformat(text).timestamp()
