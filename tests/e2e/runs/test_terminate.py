"""Runs that are terminated in Temporal: they cannot report their own end, so a sweep does."""

from __future__ import annotations

import sqlite3
from contextlib import closing

from temporalio.client import ScheduleOverlapPolicy

from adapters.temporal.schedules import SWEEP_DELIVERIES
from tests.support.numbers import fresh_number
from tests.support.receiver import Receiver
from tests.support.stack import RunningStack


async def test_the_sweep_sends_the_event_of_a_terminated_run(stack: RunningStack, receiver: Receiver) -> None:
    number, open_number = fresh_number(), fresh_number()
    await stack.set_latency(0.6)
    for each in (number, open_number):
        await stack.create_process(each, 150, size_bytes=2_000)
        await stack.request_download(each, webhook_url=f"{receiver.url}/{each}")
    await stack.wait_until_available(number, 1)
    # However long the sweep takes, this run is open then.
    (await stack.post_action(open_number, "pause")).raise_for_status()
    await stack.temporal.get_workflow_handle(number).terminate("an operator's hand")
    with closing(sqlite3.connect(stack.data_dir / "autos.db")) as catalog, catalog:
        # The sweep looks only at runs that are old enough.
        earlier = (
            "UPDATE runs SET started_at = datetime(started_at, '-1 hour') || '.000000' WHERE process_number = ?"
        )
        catalog.executemany(earlier, [(number,), (open_number,)])

    # A sweep that is under way now may have looked too early.
    await stack.temporal.get_schedule_handle(SWEEP_DELIVERIES.id).trigger(overlap=ScheduleOverlapPolicy.BUFFER_ONE)

    [received] = await receiver.wait_for_events(f"/{number}")
    assert received.event["type"] == "process.cancelled"
    assert (await stack.get_status(number))["run"]["outcome"] == "cancelled"
    assert (await stack.get_status(open_number))["status"] == "processing"
    await stack.set_latency(0)
    (await stack.post_action(open_number, "resume")).raise_for_status()
    await stack.wait_until_ended(open_number)
    types = [each.event["type"] for each in receiver.events_at(f"/{open_number}")]
    assert types in ([], ["process.completed"])
