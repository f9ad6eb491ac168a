"""Ends that a run does not record itself: it was killed, or it was reset in Temporal after it had ended."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, CursorResult, Row, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.database.outbox import NewEvent, find_followers, find_unannounced, publish
from adapters.database.tables import runs
from adapters.database.watch_news import find_watch_news
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
    """Read a run's row and lock it against other writers until the transaction ends.

    On Postgres this is the lock that an UPDATE takes, so rows with a foreign key to it can still be inserted.
    """
    return await connection.execute(select(runs).where(runs.c.id == run_id).with_for_update(key_share=True))


def is_other_run(number: str, run_id: str) -> ColumnElement[bool]:
    """Return the condition for every run of a process but one."""
    return (runs.c.process_number == number) & (runs.c.id != run_id)


async def close_killed_runs(connection: AsyncConnection, condition: ColumnElement[bool]) -> Sequence[Row[Any]]:
    """Close runs without an end as cancelled, and tell all who wait for their ends.

    Args:
        connection: The transaction.
        condition: Which runs. Those that have an end are left alone.

    Returns:
        The rows of the runs that were closed.
    """
    killed = await _close_as_cancelled(connection, condition)
    await announce_ends(connection, killed)
    return killed


async def announce_ends(connection: AsyncConnection, ended: Sequence[Row[Any]]) -> None:
    """Tell all who wait for the ends of these runs, or watch their processes. Call it once in a transaction.

    Args:
        connection: The transaction that holds the locks on the runs.
        ended: Their current rows, with outcomes.
    """
    new: list[NewEvent] = []
    for run in ended:
        new += await find_unannounced(connection, run)
        new += await find_followers(connection, run)
        new += await find_watch_news(connection, run)
    await publish(connection, new)


async def reopen_if_reset(connection: AsyncConnection, run: Row[Any], execution: str) -> Sequence[Row[Any]] | None:
    """Remove the end of a run if another execution works on it than the one that recorded the end.

    Args:
        connection: The transaction that holds the lock on the run.
        run: The run's current row.
        execution: Temporal's id of the execution that works. Nothing happens if it is empty.

    Returns:
        The rows of other runs that were closed, whose ends the caller announces. None if the end was not removed.
    """
    if run.outcome is None or not execution or run.ended_by == execution:
        return None
    # The reset has terminated any run that was started for the process since then.
    killed = await _close_as_cancelled(connection, is_other_run(run.process_number, run.id))
    # The run starts again, so it becomes the latest one.
    await connection.execute(
        update(runs).where(runs.c.id == run.id).values(**_NO_END, started_at=datetime.now(UTC))
    )
    return killed


async def _close_as_cancelled(connection: AsyncConnection, condition: ColumnElement[bool]) -> Sequence[Row[Any]]:
    closed = await connection.execute(
        update(runs)
        .where(condition, runs.c.outcome.is_(None))
        .values(outcome=Outcome.CANCELLED, ended_at=datetime.now(UTC), end_count=runs.c.end_count + 1)
        .returning(runs)
    )
    killed: Sequence[Row[Any]] = closed.all()
    return killed
