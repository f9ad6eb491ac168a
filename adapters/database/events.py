"""Events: what each client was told, by webhook or not, in the order of commits."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row, or_, select

from adapters.database.engine import Database
from adapters.database.process_rows import to_run
from adapters.database.tables import runs
from adapters.database.tombstones import is_blocked
from adapters.database.watch_news import read_news
from adapters.database.watch_tables import event_counters, events
from domain.events import ClientEvent, EventPage, News
from domain.processes import Run
from domain.webhooks import EventType


class EventRepository:
    """Read access to the table of events. ``outbox`` writes it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(self, client: str, *, after: int, limit: int) -> EventPage:
        """Return the events of a client after a number, in their order. Those of erased processes are left out.

        Args:
            client: The client.
            after: The number of the last event that is known. 0 from the beginning.
            limit: Maximum number of events.
        """
        counter = select(event_counters).where(event_counters.c.client == client)
        async with self._database.reading() as connection:
            counted = (await connection.execute(counter)).one_or_none()
            last = counted.last_number if counted else 0
            pruned = counted.pruned_number if counted else 0
            # A number from the time before the database was restored from a backup would hide all new events.
            start = min(after, last)
            result = await connection.execute(
                select(events)
                .where(
                    events.c.client == client,
                    events.c.number > start,
                    or_(events.c.process_number.is_(None), ~is_blocked(events.c.process_number)),
                )
                .order_by(events.c.number)
                .limit(limit + 1)
            )
            rows = result.all()
        return EventPage(
            tuple(_to_event(row) for row in rows[:limit]),
            next_after=rows[:limit][-1].number if rows else start,
            has_more=len(rows) > limit,
            is_incomplete=after < pruned or after > last,
        )

    async def get_run(self, event: ClientEvent) -> Run | None:
        """Return the run whose end an event tells. None if the run has ended again since then, or is gone."""
        async with self._database.reading() as connection:
            row = (await connection.execute(select(runs).where(runs.c.id == event.run_id))).one_or_none()
        if row is None or row.outcome is None or row.end_count != event.run_end:
            return None
        return to_run(row)

    async def read_news(self, number: str, event_type: EventType, details: dict[str, Any]) -> News:
        """Return what the changes are about that an event of a watch tells, as it is now."""
        async with self._database.reading() as connection:
            return await read_news(connection, number, event_type, after=details["after"], until=details["until"])


def _to_event(row: Row[tuple[object, ...]]) -> ClientEvent:
    return ClientEvent(
        client=row.client,
        number=row.number,
        id=row.id,
        type=EventType(row.event_type),
        created_at=row.created_at,
        process_number=row.process_number,
        run_id=row.run_id,
        run_end=row.run_end,
        details=row.details,
    )
