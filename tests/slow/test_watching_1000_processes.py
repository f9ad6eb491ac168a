"""A thousand watched processes, ten of which have something new, and a worker that dies during the looks."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest

from adapters.database import Database
from tests.support.batches import create_processes
from tests.support.conditions import eventually
from tests.support.receiver import running_receiver
from tests.support.stack import running_stack
from tests.support.watching import list_watches, make_due, read_events, sweep, wait_until_checked, watch_all

# Requests that were under way when the worker died are made again.
_UNDER_WAY = 64


@pytest.mark.long
@pytest.mark.timeout(2400)
async def test_ten_of_a_thousand_watched_processes_are_told_once_although_the_worker_dies(tmp_path: Path) -> None:
    async with running_stack(tmp_path) as stack:
        database = Database(f"sqlite+aiosqlite:///{stack.data_dir / 'autos.db'}")
        with running_receiver(stack.addresses["webhook_secret"]) as receiver:
            numbers = [number for _ in range(20) for number in await create_processes(stack, 50, documents=1)]
            began = datetime.now(UTC)
            await watch_all(stack, numbers, webhook_url=f"{receiver.url}/watch")
            await wait_until_checked(stack, numbers, began, seconds=900)
            _, after = await read_events(stack)
            assert receiver.events_at("/watch") == []

            changed = numbers[::100]
            for number in changed:
                await stack.create_process(number, 2, size_bytes=2_000)
            await stack.reset_court_stats()
            due = await make_due(database, numbers)
            await sweep(stack)

            async def count_checked() -> int:
                found = await list_watches(stack, numbers)
                return sum(datetime.fromisoformat(one["last_checked_at"]) >= due for one in found.values())

            async def are_some_checked() -> bool:
                return await count_checked() >= 200

            await eventually(are_some_checked, "two hundred looks", seconds=600)
            stack.kill_service("worker")
            # A request in between does not wait for the looks.
            [single] = await create_processes(stack, 1, documents=3)
            await stack.request_download(single)
            assert (await stack.wait_until_ended(single, seconds=90))["status"] == "completed"
            assert await count_checked() < len(numbers)

            await wait_until_checked(stack, numbers, due, seconds=900)
            told, _ = await read_events(stack, after)
            about_watches = [event for event in told if event["data"]["process_number"] != single]
            assert {event["type"] for event in about_watches} == {"process.documents_added"}
            assert sorted(event["data"]["process_number"] for event in about_watches) == sorted(changed)
            received = await receiver.wait_for_events("/watch", len(changed), seconds=120)
            assert {one.event_id for one in received} == {event["id"] for event in about_watches}
            runs = await asyncio.gather(*(stack.list_run_ids(number) for number in numbers[::20]))
            assert [len(run_ids) for run_ids in runs] == [2] * len(runs)
            stats = await stack.get_court_stats()
            assert 0 <= stats["listings"] - (len(numbers) + 1) <= _UNDER_WAY
            assert len(stats["documents_served"]) == len(changed) + 3
        await database.close()
