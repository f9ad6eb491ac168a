"""The sweep that starts deliveries which nothing else started."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import update
from temporalio.client import ScheduleOverlapPolicy

from adapters.database import Catalog, Database
from adapters.database.webhook_tables import deliveries
from adapters.temporal.schedules import SWEEP_DELIVERIES
from domain.run_messages import RunOpening
from tests.support.deliveries import (
    wait_until_delivery,
)
from tests.support.numbers import fresh_number
from tests.support.receiver import Receiver
from tests.support.stack import RunningStack


async def test_the_sweep_starts_a_delivery_that_was_recorded_but_never_started(
    stack: RunningStack, receiver: Receiver, database: Database
) -> None:
    number = fresh_number()
    await stack.create_process(number, 1)
    await stack.request_download(number)
    run_id = (await stack.wait_until_ended(number))["run"]["id"]
    # As after an API that died an hour ago between recording a late subscriber and starting its delivery.
    run = RunOpening(number, run_id, "local")
    lost = await Catalog(database).runs.subscribe(run, "local", f"{receiver.url}/{number}")
    assert lost is not None
    async with database.writing() as connection:
        await connection.execute(
            update(deliveries)
            .where(deliveries.c.id == lost.id)
            .values(next_attempt_at=datetime.now(UTC) - timedelta(hours=1))
        )

    # A sweep that is under way now may have looked too early.
    await stack.temporal.get_schedule_handle(SWEEP_DELIVERIES.id).trigger(overlap=ScheduleOverlapPolicy.BUFFER_ONE)

    await wait_until_delivery(stack, lost.id, "delivered", 1)
    assert [event.event_id for event in receiver.events_at(f"/{number}")] == [lost.id]
