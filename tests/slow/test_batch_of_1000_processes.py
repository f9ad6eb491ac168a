"""A batch of a thousand processes whose worker is killed while other clients request single processes."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.support.conditions import eventually
from tests.support.numbers import fresh_number
from tests.support.stack import running_stack


@pytest.mark.long
@pytest.mark.timeout(900)
async def test_a_batch_of_a_thousand_processes_completes_although_its_worker_dies(tmp_path: Path) -> None:
    numbers = [fresh_number() for _ in range(1000)]
    async with running_stack(tmp_path) as stack:
        for number in numbers:
            await stack.create_process(number, 3, size_bytes=2_000)
        answer = await stack.api.post("/batches", json={"process_numbers": numbers})
        batch = answer.raise_for_status().json()

        async def counts_with(*, completed: int) -> dict[str, int] | None:
            body = (await stack.api.get(f"/batches/{batch['id']}")).json()
            reached = body["counts"]["completed"] >= completed and (completed < 1000 or body["ended_at"])
            return body["counts"] if reached else None

        await eventually(lambda: counts_with(completed=300), "three hundred processes", seconds=300)
        stack.kill_service("worker")
        single = fresh_number()
        await stack.create_process(single, 3, size_bytes=2_000)
        await stack.request_download(single)
        assert (await stack.wait_until_ended(single, seconds=60))["status"] == "completed"
        halfway = (await stack.api.get(f"/batches/{batch['id']}")).json()["counts"]
        assert halfway["queued"] > 0

        done = await eventually(lambda: counts_with(completed=1000), "the end of the batch", seconds=600)

        assert {state: amount for state, amount in done.items() if amount} == {"completed": 1000}
        runs = await asyncio.gather(*(stack.list_run_ids(number) for number in numbers[::50]))
        assert [len(run_ids) for run_ids in runs] == [1] * len(runs)
        served = (await stack.get_court_stats())["documents_served"]
        # Only the documents that were being downloaded when the worker died are requested again.
        assert len(served) == 3003
        assert sum(amount > 1 for amount in served.values()) <= 64
