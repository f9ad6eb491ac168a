"""A thousand processes at once, over the death of their worker, while others ask for single ones."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.support.conditions import eventually
from tests.support.numbers import fresh_number
from tests.support.stack import running_stack


@pytest.mark.long
@pytest.mark.timeout(900)
async def test_a_thousand_processes_come_whole(tmp_path: Path) -> None:
    numbers = [fresh_number() for _ in range(1000)]
    async with running_stack(tmp_path) as stack:
        for number in numbers:
            await stack.prepare(number, 3, size_bytes=2_000)
        asked = {"process_numbers": numbers}
        batch = (await stack.api.post("/batches", json=asked)).raise_for_status().json()

        async def counts(*, completed: int) -> dict[str, int] | None:
            body = (await stack.api.get(f"/batches/{batch['id']}")).json()
            reached = body["counts"]["completed"] >= completed and (completed < 1000 or body["ended_at"])
            return body["counts"] if reached else None

        await eventually(lambda: counts(completed=300), "three hundred processes", seconds=300)
        stack.kill("worker")
        single = fresh_number()
        await stack.prepare(single, 3, size_bytes=2_000)
        await stack.request(single)
        assert (await stack.ended(single, seconds=60))["status"] == "completed"
        halfway = (await stack.api.get(f"/batches/{batch['id']}")).json()["counts"]
        assert halfway["queued"] > 0

        done = await eventually(lambda: counts(completed=1000), "the end of the batch", seconds=600)

        assert {state: amount for state, amount in done.items() if amount} == {"completed": 1000}
        runs = await asyncio.gather(*(stack.runs(number) for number in numbers[::50]))
        assert [len(of_one) for of_one in runs] == [1] * len(runs)
        served = (await stack.court())["documents_served"]
        # What was on its way when the worker died is asked for again, and nothing else.
        assert len(served) == 3003
        assert sum(amount > 1 for amount in served.values()) <= 64
