"""Ends that a run does not tell itself: it was killed, or was reset in Temporal after it had ended."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, CursorResult, Row, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.database.outbox import create_deliveries
from adapters.database.tables import runs
from domain.completeness import Outcome

_NO_END: dict[str, Any] = {
    "outcome": None,
    "ended_at": None,
    "ended_by": None,
    "failure_code": None,
    "failure_answer": None,
    "total_documents": None,
    "available_documents": None,
    "failed_documents": None,
    "no_content_documents": 0,
    "available_bytes": None,
}


async def lock_run(connection: AsyncConnection, run_id: str) -> CursorResult[Any]:
    """Read a run's row, and keep every other writer from it until the transaction ends.

    Foreign keys to the row may still be taken: the lock of Postgres is the one that an update takes.
    """
    return await connection.execute(select(runs).where(runs.c.id == run_id).with_for_update(key_share=True))


def others_of(number: str, run_id: str) -> ColumnElement[bool]:
    """Return the condition that names every other run of a process."""
    return (runs.c.process_number == number) & (runs.c.id != run_id)


async def close_killed(connection: AsyncConnection, which: ColumnElement[bool]) -> Sequence[Row[Any]]:
    """Close those of the runs as cancelled that have no end, and announce it. Returns their rows."""
    closed = await connection.execute(
        update(runs)
        .where(which, runs.c.outcome.is_(None))
        .values(outcome=Outcome.CANCELLED, ended_at=datetime.now(UTC), end_count=runs.c.end_count + 1)
        .returning(runs)
    )
    killed: Sequence[Row[Any]] = closed.all()
    for run in killed:
        await create_deliveries(connection, run)
    return killed


async def reopen_if_reset(connection: AsyncConnection, run: Row[Any], execution: str) -> bool:
    """Take back the end of a run if another execution than the one that recorded it works now."""
    if run.outcome is None or not execution or run.ended_by == execution:
        return False
    # Whatever was started for the process since then has been terminated by the reset.
    await close_killed(connection, others_of(run.process_number, run.id))
    # It begins anew, and is the latest one again.
    await connection.execute(
        update(runs).where(runs.c.id == run.id).values(**_NO_END, started_at=datetime.now(UTC))
    )
    return True
