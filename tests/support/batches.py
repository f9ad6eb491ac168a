"""Batches of a stack, through its API."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.support.conditions import eventually
from tests.support.numbers import fresh_number
from tests.support.stack import RunningStack

Json = dict[str, Any]


async def create_processes(stack: RunningStack, count: int, documents: int = 2) -> list[str]:
    """Create so many processes at the court, and return their numbers."""
    numbers = [fresh_number() for _ in range(count)]
    await asyncio.gather(*(stack.create_process(number, documents, size_bytes=2_000) for number in numbers))
    return numbers


async def create_batch(stack: RunningStack, numbers: list[str], **options: Any) -> Json:
    """Create a batch that is accepted, and return its body."""
    answer = await stack.api.post("/batches", json={"process_numbers": numbers, **options})
    assert answer.status_code == 202, answer.text
    body: Json = answer.json()
    assert answer.headers["Location"] == f"/batches/{body['id']}"
    return body


async def get_batch(stack: RunningStack, batch: Json) -> Json:
    """Return the batch as it is now."""
    answer = await stack.api.get(f"/batches/{batch['id']}")
    assert answer.status_code == 200
    body: Json = answer.json()
    return body


async def wait_until_batch_ended(stack: RunningStack, batch: Json) -> Json:
    """Wait until the batch has ended, and return it."""

    async def ended() -> Json | None:
        body = await get_batch(stack, batch)
        return body if body["ended_at"] else None

    return await eventually(ended, "the end of the batch", seconds=60)


async def wait_until_processing(stack: RunningStack, batch: Json, count: int) -> None:
    """Wait until at least so many of the batch's runs are open."""

    async def processing() -> bool:
        return bool((await get_batch(stack, batch))["counts"]["processing"] >= count)

    await eventually(processing, f"{count} open runs of the batch")


def nonzero_counts(batch: Json) -> Json:
    """Return the batch's counts that are not zero."""
    return {state: amount for state, amount in batch["counts"].items() if amount}
