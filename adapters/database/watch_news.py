"""What the end of a run means for those who watch its process: what is new, and when the next look is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from sqlalchemy import Row, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.database.event_scopes import read_event_scopes
from adapters.database.outbox import NewEvent
from adapters.database.settling import settle_added
from adapters.database.tables import processes
from adapters.database.watch_changes import ChangeLog
from adapters.database.watch_tables import watches
from domain.completeness import Outcome
from domain.errors import FailureCode
from domain.events import News, is_visible
from domain.serializers import format_timestamp
from domain.watches import ANSWERS_OF_LOOKS, WatchNotify, following_look, is_look, late_after
from domain.webhooks import EventType

# After a look that has failed, or has left documents behind.
_RETRY_AFTER = timedelta(minutes=15)
_TYPES = (EventType.DOCUMENTS_ADDED, EventType.DOCUMENTS_UNLISTED, EventType.SECRECY_CHANGED)


@dataclass(frozen=True, slots=True)
class _Checked:
    """What a run has found out about a process.

    Attributes:
        at: When the court last answered about it. None if it never has.
        failure_code: Why the run failed.
    """

    at: datetime | None
    failure_code: FailureCode | None


async def find_watch_news(connection: AsyncConnection, run: Row[Any]) -> list[NewEvent]:
    """Move every watch of a run's process forward, and return what is to be told.

    Call it once for each end of a run, in the transaction that records it: what is told moves the watch's mark, so
    nothing is lost and nothing is told twice. Any run does, not only a look.

    Args:
        connection: The transaction that holds the lock on the run.
        run: The current row of ``runs``, which has an outcome.
    """
    watching = (
        await connection.execute(
            select(watches)
            .where(watches.c.process_number == run.process_number)
            .order_by(watches.c.client)
            .with_for_update()
        )
    ).all()
    if not watching:
        return []
    await settle_added(connection, run.process_number)
    checked = await _read_checked(connection, run)
    log = await ChangeLog.read(
        connection, run.process_number, after=min(row.announced_sequence for row in watching)
    )
    new: list[NewEvent] = []
    for watch in watching:
        until = log.last_told(watch)
        moved = _moved(watch, checked, run, is_held=log.waits_for_downloads(watch))
        await connection.execute(
            update(watches)
            .where(watches.c.process_number == watch.process_number, watches.c.client == watch.client)
            .values(**moved, announced_sequence=max(until, watch.announced_sequence))
        )
        new += await _tell(connection, watch, moved, run, log, until)
    return new


async def read_news(
    connection: AsyncConnection, number: str, event_type: EventType, *, after: int, until: int
) -> News:
    """Return what the changes that an event tells are about, as it is now.

    Args:
        connection: The transaction.
        number: The process.
        event_type: The event's type.
        after: The event tells changes after this sequence.
        until: The last of these sequences.
    """
    if event_type is EventType.WATCH_CHECKED or after >= until:
        return News()
    log = await ChangeLog.read(connection, number, after=after, until=until)
    return log.news(event_type, after, until)


async def _read_checked(connection: AsyncConnection, run: Row[Any]) -> _Checked:
    code = FailureCode(run.failure_code) if run.failure_code else None
    if code in ANSWERS_OF_LOOKS:
        return _Checked(run.ended_at, code)
    listed_at = await connection.scalar(
        select(processes.c.listed_at).where(processes.c.number == run.process_number)
    )
    return _Checked(listed_at, code)


def _moved(watch: Row[Any], checked: _Checked, run: Row[Any], *, is_held: bool) -> dict[str, Any]:
    """Return the new values of a watch after a run.

    Args:
        watch: The watch.
        checked: What the run has found out.
        run: The run.
        is_held: Whether new documents wait to be told, because they are not stored yet.
    """
    now = datetime.now(UTC)
    every = timedelta(seconds=watch.every_seconds)
    is_fresh = checked.at is not None and (watch.last_checked_at is None or checked.at > watch.last_checked_at)
    planned = watch.next_look_at
    if is_held:
        # A watch that is held again and again becomes late.
        planned = min(planned, now)
    elif checked.at is not None and is_fresh and is_look(checked.at, planned):
        planned = following_look(watch.process_number, every, planned, now)
    has_failed = is_held or run.failure_code is not None or run.outcome == Outcome.CANCELLED
    return {
        "last_checked_at": checked.at if is_fresh else watch.last_checked_at,
        "failure_code": checked.failure_code if is_fresh or checked.failure_code else watch.failure_code,
        "next_look_at": planned,
        "late_at": late_after(planned, every),
        "looking_since": None,
        "not_before": now + _RETRY_AFTER if has_failed and planned <= now else None,
    }


async def _tell(
    connection: AsyncConnection,
    watch: Row[Any],
    moved: dict[str, Any],
    run: Row[Any],
    log: ChangeLog,
    until: int,
) -> list[NewEvent]:
    after = watch.announced_sequence
    found = [(kind, log.news(kind, after, until)) for kind in _TYPES]
    told = [(kind, news) for kind, news in found if news.changes]
    is_fresh = moved["last_checked_at"] != watch.last_checked_at
    # A run of somebody else between two looks is not one.
    is_counted = run.is_look or moved["next_look_at"] != watch.next_look_at
    if is_fresh and is_counted and watch.notify == WatchNotify.ALWAYS:
        told.append((EventType.WATCH_CHECKED, News()))
    if not told:
        return []
    details: dict[str, Any] = {
        "after": after,
        "until": until,
        "checked_at": format_timestamp(moved["last_checked_at"]),
        "failure_code": moved["failure_code"],
        "next_look_at": format_timestamp(moved["next_look_at"]),
    }
    # A receiver that may see nothing of an event does not get it. The list of events has it, for stronger keys.
    sent = await _find_visible(connection, watch, told) if watch.webhook_url else set()
    return [
        NewEvent(
            watch.client,
            f"evt_{uuid4().hex}",
            kind,
            run.process_number,
            run.id,
            run.end_count,
            details,
            watch.webhook_url if kind in sent else None,
        )
        for kind, _ in told
    ]


async def _find_visible(
    connection: AsyncConnection, watch: Row[Any], told: Iterable[tuple[EventType, News]]
) -> set[EventType]:
    scopes = await read_event_scopes(connection, watch.client)
    return {kind for kind, news in told if is_visible(kind, news, scopes)}
