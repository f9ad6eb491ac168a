"""Pruning: deletes old history in short transactions, and nothing that is open, held or still referred to."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any, TypeAlias

from sqlalchemy import Column, delete, exists, func, literal, or_, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.database.access_tables import accesses
from adapters.database.client_tables import batch_items, batches
from adapters.database.engine import Database, read_clock
from adapters.database.erasure_tables import legal_holds
from adapters.database.tables import UtcDateTime, runs
from adapters.database.watch_tables import event_counters, events
from adapters.database.webhook_tables import alerts, attempts, deliveries, subscriptions
from domain.history import HistoryKind, PrunedPart, PruneRequest
from domain.webhooks import DeliveryStatus

_CHUNK_SIZE = 500
# Each may have a thousand items.
_BATCHES_PER_CHUNK = 20

_Prune: TypeAlias = Callable[[AsyncConnection, str, datetime], Awaitable[PrunedPart]]


class HistoryRepository:
    """Old rows of every kind of history.

    Args:
        database: The database.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def now(self) -> datetime:
        """Return the database's time."""
        async with self._database.reading() as connection:
            return await read_clock(connection)

    async def prune(self, request: PruneRequest, *, before: datetime) -> PrunedPart:
        """Look at one chunk of a kind of history, and delete what may go, in one transaction. Idempotent.

        Args:
            request: The kind, and where the chunk begins.
            before: Only what ended earlier.
        """
        async with self._database.writing() as connection:
            return await _PRUNE[request.kind](connection, request.after, before)


async def _prune_batches(connection: AsyncConnection, after: str, before: datetime) -> PrunedPart:
    key = (batches.c.created_at, batches.c.id)
    chunk = select(*key, batches.c.ended_at).where(batches.c.created_at < before)
    if after:
        chunk = chunk.where(tuple_(*key) > _read_cursor(after))
    rows = (await connection.execute(chunk.order_by(*key).limit(_BATCHES_PER_CHUNK))).all()
    ended = [row.id for row in rows if row.ended_at is not None and row.ended_at < before]
    # Their items go with them.
    await connection.execute(delete(batches).where(batches.c.id.in_(ended), batches.c.ended_at < before))
    return PrunedPart(len(ended), _cursor_after(rows, _BATCHES_PER_CHUNK, key))


async def _prune_deliveries(connection: AsyncConnection, after: str, before: datetime) -> PrunedPart:
    # By number, which is the order of creation: this needs no further index. Nobody adds attempts to a locked row.
    rows = (
        await connection.execute(
            select(
                deliveries.c.number,
                deliveries.c.subscription_id,
                deliveries.c.created_at,
                deliveries.c.status,
                func.coalesce(deliveries.c.delivered_at, deliveries.c.given_up_at).label("ended_at"),
            )
            .where(deliveries.c.number > int(after or 0))
            .order_by(deliveries.c.number)
            .limit(_CHUNK_SIZE)
            .with_for_update(skip_locked=True)
        )
    ).all()
    old = [row for row in rows if row.created_at < before]
    ended = [
        row
        for row in old
        if row.status != DeliveryStatus.PENDING and row.ended_at is not None and row.ended_at < before
    ]
    numbers = [row.number for row in ended]
    await connection.execute(delete(attempts).where(attempts.c.delivery_number.in_(numbers)))
    await connection.execute(delete(deliveries).where(deliveries.c.number.in_(numbers)))
    # A subscription without its delivery would be notified again by the next subscriber. One whose run has not
    # ended, because the run was reset in Temporal, is still to be notified.
    has_delivery = exists().where(deliveries.c.subscription_id == subscriptions.c.id)
    has_ended = exists().where(runs.c.id == subscriptions.c.run_id, runs.c.outcome.is_not(None))
    await connection.execute(
        delete(subscriptions).where(
            subscriptions.c.id.in_({row.subscription_id for row in ended}), ~has_delivery, has_ended
        )
    )
    is_last = len(old) < _CHUNK_SIZE
    return PrunedPart(len(ended), None if is_last else str(old[-1].number))


async def _prune_events(connection: AsyncConnection, after: str, before: datetime) -> PrunedPart:
    # By the time, which every client's numbers follow.
    key = (events.c.created_at, events.c.client, events.c.number)
    is_pending = exists().where(deliveries.c.id == events.c.id, deliveries.c.status == DeliveryStatus.PENDING)
    rows = (
        await connection.execute(
            select(*key, events.c.id)
            .where(events.c.created_at < before, ~is_pending)
            .order_by(*key)
            .limit(_CHUNK_SIZE)
        )
    ).all()
    last_numbers: dict[str, int] = {}
    for row in rows:
        last_numbers[row.client] = max(row.number, last_numbers.get(row.client, 0))
    for client in sorted(last_numbers):
        counter = event_counters.c
        await connection.execute(
            update(event_counters)
            .where(counter.client == client, counter.pruned_number < last_numbers[client])
            .values(pruned_number=last_numbers[client])
        )
    await connection.execute(delete(events).where(events.c.id.in_([row.id for row in rows])))
    return PrunedPart(len(rows), "more" if len(rows) == _CHUNK_SIZE else None)


async def _prune_alerts(connection: AsyncConnection, after: str, before: datetime) -> PrunedPart:
    # The body of an alert's event is made from the alert at each attempt.
    has_delivery = exists().where(
        or_(deliveries.c.id == alerts.c.raised_event, deliveries.c.id == alerts.c.cleared_event)
    )
    chunk = select(alerts.c.id).where(alerts.c.cleared_at < before, ~has_delivery).limit(_CHUNK_SIZE)
    deleted = await connection.execute(delete(alerts).where(alerts.c.id.in_(chunk)))
    return PrunedPart(deleted.rowcount, "more" if deleted.rowcount == _CHUNK_SIZE else None)


async def _prune_runs(connection: AsyncConnection, after: str, before: datetime) -> PrunedPart:
    key = (runs.c.ended_at, runs.c.id)
    chunk = select(*key).where(runs.c.ended_at < before)
    if after:
        chunk = chunk.where(tuple_(*key) > _read_cursor(after))
    rows = (await connection.execute(chunk.order_by(*key).limit(_CHUNK_SIZE))).all()
    # A lock is a write, and every sweep looks at the latest run of each process again: only runs that may go are
    # locked. Nobody subscribes to a locked run, so what is removable under the lock stays so.
    ids = await _find_removable(connection, [row.id for row in rows])
    if ids:
        locked = select(runs.c.id).where(runs.c.id.in_(ids)).with_for_update(skip_locked=True)
        ids = await _find_removable(connection, (await connection.scalars(locked)).all())
        await connection.execute(delete(runs).where(runs.c.id.in_(ids)))
    return PrunedPart(len(ids), _cursor_after(rows, _CHUNK_SIZE, key))


async def _find_removable(connection: AsyncConnection, ids: Sequence[str]) -> Sequence[str]:
    """Return those of the runs that nothing refers to, and whose process is not under a legal hold."""
    later = runs.alias("later")
    removable = select(runs.c.id).where(
        runs.c.id.in_(ids),
        # Answers about a process name its latest run.
        exists().where(later.c.process_number == runs.c.process_number, later.c.started_at > runs.c.started_at),
        ~exists().where(legal_holds.c.process_number == runs.c.process_number),
        ~exists().where(deliveries.c.run_id == runs.c.id),
        ~exists().where(subscriptions.c.run_id == runs.c.id),
        # The body of an event is made from the run when it is read.
        ~exists().where(events.c.run_id == runs.c.id),
        # The state of a batch's item is that of its run.
        ~exists().where(batch_items.c.process_number == runs.c.process_number, batch_items.c.run_id == runs.c.id),
    )
    return (await connection.scalars(removable)).all()


async def _prune_accesses(connection: AsyncConnection, after: str, before: datetime) -> PrunedPart:
    key = (accesses.c.at, accesses.c.number)
    chunk = select(*key).where(accesses.c.at < before)
    if after:
        # Not from the beginning: while somebody reads an old snapshot, the index still has all that was deleted.
        chunk = chunk.where(tuple_(*key) > _read_cursor(after, int))
    rows = (await connection.execute(chunk.order_by(*key).limit(_CHUNK_SIZE))).all()
    numbers = [row.number for row in rows]
    is_held = exists().where(legal_holds.c.process_number == accesses.c.process_number)
    deleted = await connection.execute(delete(accesses).where(accesses.c.number.in_(numbers), ~is_held))
    return PrunedPart(deleted.rowcount, _cursor_after(rows, _CHUNK_SIZE, key))


_PRUNE: dict[HistoryKind, _Prune] = {
    HistoryKind.BATCHES: _prune_batches,
    HistoryKind.DELIVERIES: _prune_deliveries,
    HistoryKind.ALERTS: _prune_alerts,
    HistoryKind.RUNS: _prune_runs,
    HistoryKind.ACCESSES: _prune_accesses,
    HistoryKind.EVENTS: _prune_events,
}


def _read_cursor(text: str, read_id: Callable[[str], Any] = str) -> Any:
    moment, _, row_id = text.partition(" ")
    return tuple_(literal(datetime.fromisoformat(moment), UtcDateTime()), literal(read_id(row_id)))


def _cursor_after(rows: Sequence[Any], chunk_size: int, key: Sequence[Column[Any]]) -> str | None:
    if len(rows) < chunk_size:
        return None
    moment, row_id = (getattr(rows[-1], column.name) for column in key)
    return f"{moment.isoformat()} {row_id}"
