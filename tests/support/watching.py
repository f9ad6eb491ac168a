"""Watched processes of a stack, through its API, and the sweep that has them looked at."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import update
from temporalio.service import RPCError

from adapters.database import Database
from adapters.database.watch_tables import watches
from adapters.temporal.schedules import SWEEP_WATCHES
from tests.support.conditions import eventually
from tests.support.stack import RunningStack

Json = dict[str, Any]


async def watch_all(stack: RunningStack, numbers: Collection[str], **wish: Any) -> None:
    """Watch processes."""
    answer = await stack.api.post("/watches", json={"process_numbers": list(numbers), **wish})
    body = answer.raise_for_status().json()
    assert body["watched"] == len(numbers), body


async def make_due(database: Database, numbers: Collection[str]) -> datetime:
    """Have the watches of processes due now. Returns the time."""
    now = datetime.now(UTC)
    chosen = list(numbers)
    async with database.writing() as connection:
        for start in range(0, len(chosen), 500):
            await connection.execute(
                update(watches)
                .where(watches.c.process_number.in_(chosen[start : start + 500]))
                .values(next_look_at=now, late_at=now + timedelta(hours=6), not_before=None, looking_since=None)
            )
    return now


async def sweep(stack: RunningStack) -> None:
    """Have the due processes looked at now, instead of at the next minute."""
    # Without a worker for it, the sweep waits.
    with suppress(RPCError):
        await stack.temporal.get_schedule_handle(SWEEP_WATCHES.id).trigger()


async def list_watches(stack: RunningStack, numbers: Iterable[str], **query: str) -> dict[str, Json]:
    """Return the watches of processes, by number."""
    wanted = set(numbers)
    found: dict[str, Json] = {}
    address: str | None = "/watches"
    parameters: dict[str, str] | None = {"limit": "200", **query}
    while address:
        page = (await stack.api.get(address, params=parameters)).raise_for_status().json()
        found |= {one["process_number"]: one for one in page["watches"] if one["process_number"] in wanted}
        address, parameters = page["watches_next"], None
    return found


async def wait_until_checked(
    stack: RunningStack, numbers: Collection[str], since: datetime, *, seconds: float = 60.0
) -> dict[str, Json]:
    """Have the due processes looked at until the court has answered about each since a time."""

    async def checked() -> dict[str, Json] | None:
        found = await list_watches(stack, numbers)
        times = [one["last_checked_at"] for one in found.values()]
        if len(found) == len(numbers) and all(at and datetime.fromisoformat(at) >= since for at in times):
            return found
        await sweep(stack)
        return None

    return await eventually(checked, f"a look at {len(numbers)} processes", seconds=seconds)


async def read_events(stack: RunningStack, after: int = 0) -> tuple[list[Json], int]:
    """Return all events of the client after a number, and the number to go on from."""
    found: list[Json] = []
    while True:
        page = (await stack.api.get("/events", params={"after": after})).raise_for_status().json()
        found += page["events"]
        after = page["next_after"]
        if not page["has_more"]:
            return found, after
