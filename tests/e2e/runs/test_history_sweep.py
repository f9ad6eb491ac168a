"""The sweep that prunes what is older than its retention."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from sqlalchemy import func, insert, select
from temporalio.client import ScheduleOverlapPolicy

from adapters.database import Database
from adapters.database.access_tables import accesses
from adapters.database.tables import runs
from adapters.temporal.schedules import SWEEP_HISTORY
from tests.support.conditions import eventually
from tests.support.numbers import fresh_number
from tests.support.stack import RunningStack

pytestmark = pytest.mark.thorough

OLD = datetime.now(UTC) - timedelta(days=4_000)
# More than one activity deletes.
OLD_RUNS = 12_000


async def test_the_sweep_prunes_what_is_older_than_its_retention(stack: RunningStack, database: Database) -> None:
    number = await stack.create_ended_run(1)
    run = (await stack.get_status(number))["run"]["id"]
    (await stack.api.get(f"/processes/{number}")).raise_for_status()
    other = fresh_number()
    async with database.writing() as connection:
        await connection.execute(
            insert(runs),
            [
                {
                    "id": str(uuid4()),
                    "process_number": other,
                    "client": "local",
                    "started_at": OLD + timedelta(minutes=place),
                    "ended_at": OLD + timedelta(minutes=place),
                    "outcome": "completed",
                }
                for place in range(OLD_RUNS)
            ],
        )
        await connection.execute(
            insert(accesses),
            {"at": OLD, "process_number": other, "client": "local", "how": "link", "document_ids": '["x"]'},
        )

    # A sweep that is under way now may have looked too early.
    await stack.temporal.get_schedule_handle(SWEEP_HISTORY.id).trigger(overlap=ScheduleOverlapPolicy.BUFFER_ONE)

    async def pruned() -> bool:
        async with database.reading() as connection:
            left = await connection.scalar(
                select(func.count()).select_from(runs).where(runs.c.process_number == other)
            )
            trail = (
                await connection.execute(
                    select(accesses.c.process_number).where(accesses.c.process_number.in_([number, other]))
                )
            ).scalars()
            # The latest run stays, however old it is.
            return (left, set(trail)) == (1, {number})

    await eventually(pruned, "the end of the sweep", seconds=60)
    assert (await stack.get_status(number))["run"]["id"] == run
