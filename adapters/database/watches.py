"""Watches: what clients wish for, and which processes are due to be looked at."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, case, delete, func, literal, or_, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.database.changes import last_sequence
from adapters.database.engine import Database
from adapters.database.lost_clients import select_lost_clients
from adapters.database.tables import UtcDateTime, processes
from adapters.database.tombstones import claim_process, is_blocked, refuse_erased
from adapters.database.upserts import insert_into
from adapters.database.watch_tables import watches
from domain.errors import FailureCode
from domain.watch_messages import DueLook
from domain.watches import ANSWERS_OF_LOOKS, Watch, WatchNotify, WatchState, WatchWish, late_after, next_look

# A look that takes longer no longer keeps others from being started.
_LONGEST_LOOK = timedelta(hours=1)
# If the end of a look is not recorded by then, another one is started, or finds that it is still open.
_LOOK_AGAIN = timedelta(minutes=30)
# How soon a process is tried again that has an open run: it may be about to end. Not in the same sweep.
_OPEN_RUN_PAUSE = timedelta(seconds=30)


class WatchRepository:
    """The table of watches. The ends of runs move watches forward, too (``watch_news``).

    `put` and `put_all` raise ProcessErased for a process that was erased, and change nothing.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(self, number: str, client: str, wish: WatchWish) -> Watch:
        """Watch a process, or change what a watch of it does. Idempotent.

        A process that the court has not listed within the interval is due at once: the first listing is what later
        ones are compared with. Changes from before the watch are not told.
        """
        async with self._database.writing() as connection:
            return _to_watch(await _put(connection, number, client, wish))

    async def put_all(self, numbers: Collection[str], client: str, wish: WatchWish) -> None:
        """Watch many processes in one transaction. See `put`."""
        async with self._database.writing() as connection:
            # In the order in which everybody locks processes.
            for number in sorted(numbers):
                await _put(connection, number, client, wish)

    async def get(self, number: str, client: str) -> Watch | None:
        """Return a client's watch of a process. None if it does not watch it.

        Raises:
            ProcessErased: The process was erased.
        """
        async with self._database.reading() as connection:
            row = await _get(connection, number, client)
            if row is None:
                await refuse_erased(connection, number)
        return None if row is None else _to_watch(row)

    async def remove(self, number: str, client: str) -> bool:
        """Stop watching a process. Returns whether the client watched it."""
        async with self._database.writing() as connection:
            removed = await connection.execute(
                delete(watches).where(watches.c.process_number == number, watches.c.client == client)
            )
        return removed.rowcount == 1

    async def page(
        self,
        client: str | None,
        state: WatchState | None,
        *,
        after: tuple[datetime, str, str] | None = None,
        limit: int,
    ) -> list[Watch]:
        """Return a page of watches, newest first.

        Args:
            client: Only those of this client. None means all.
            state: Only those in this state. None means all.
            after: ``sort_key`` of the last watch of the page before. None for the first page.
            limit: Maximum number of watches.
        """
        key = (watches.c.created_at, watches.c.process_number, watches.c.client)
        statement = select(watches).where(~is_blocked(watches.c.process_number))
        if client is not None:
            statement = statement.where(watches.c.client == client)
        if state is not None:
            statement = statement.where(_state(datetime.now(UTC)) == state)
        if after is not None:
            last = tuple_(literal(after[0], UtcDateTime()), literal(after[1]), literal(after[2]))
            statement = statement.where(tuple_(*key) < last)
        order = [column.desc() for column in key]
        async with self._database.reading() as connection:
            rows = (await connection.execute(statement.order_by(*order).limit(limit))).all()
        return [_to_watch(row) for row in rows]

    async def count_by_state(self) -> dict[WatchState, int]:
        """Count the watches in each state, but for paused ones. States without one are included."""
        now = datetime.now(UTC)
        state = _state(now).label("state")
        counted = select(state, func.count()).where(is_kept_up(now)).group_by(state)
        async with self._database.reading() as connection:
            result = await connection.execute(counted)
            counts = {WatchState(found): count for found, count in result}
        return {one: counts.get(one, 0) for one in WatchState}

    async def list_due(self, *, limit: int, at: datetime | None = None) -> list[DueLook]:
        """Return processes that are due to be looked at, the longest due first.

        Args:
            limit: Maximum number of watches that are looked at. Several clients may watch one process.
            at: The time by which they are due. None means now.
        """
        now = at or datetime.now(UTC)
        statement = (
            select(watches.c.process_number, watches.c.client)
            .where(_is_due(now), ~is_blocked(watches.c.process_number))
            .order_by(watches.c.next_look_at, watches.c.process_number, watches.c.client)
            .limit(limit)
        )
        async with self._database.reading() as connection:
            clients: dict[str, str] = {}
            for row in await connection.execute(statement):
                clients.setdefault(row.process_number, row.client)
            # Also those of watches that are not due yet: they are told of the same listing.
            downloads = set(
                await connection.scalars(
                    select(watches.c.process_number).where(
                        watches.c.process_number.in_(clients), watches.c.download.is_(True), is_kept_up(now)
                    )
                )
            )
        return [DueLook(number, client, number in downloads) for number, client in clients.items()]

    async def count_open_looks(self) -> int:
        """Count the processes with a look under way that was started within the last hour."""
        recent = watches.c.looking_since > datetime.now(UTC) - _LONGEST_LOOK
        async with self._database.reading() as connection:
            counted = select(func.count(watches.c.process_number.distinct())).where(recent)
            return await connection.scalar(counted) or 0

    async def mark_looks(
        self, started: Collection[str], open_already: Collection[str], *, due_at: datetime
    ) -> None:
        """Keep the next sweep from starting the same looks. Those that have ended meanwhile are left alone.

        Args:
            started: Processes whose look was started.
            open_already: Processes with an open run, which may have listed them before the look was due.
            due_at: The time by which they were due.
        """
        now = datetime.now(UTC)
        async with self._database.writing() as connection:
            await _lock_due(connection, [*started, *open_already], due_at)
            for numbers, values in (
                (started, {"looking_since": now, "not_before": now + _LOOK_AGAIN}),
                (open_already, {"not_before": now + _OPEN_RUN_PAUSE}),
            ):
                if numbers:
                    await connection.execute(
                        update(watches)
                        .where(watches.c.process_number.in_(numbers), _is_waiting(due_at))
                        .values(values)
                    )


def is_kept_up(now: datetime) -> ColumnElement[bool]:
    """Return the condition for watches that are not paused, because their client has no key that works."""
    return watches.c.client.not_in(select_lost_clients(now))


def _is_due(now: datetime) -> ColumnElement[bool]:
    return and_(_is_waiting(now), is_kept_up(now))


def _is_waiting(now: datetime) -> ColumnElement[bool]:
    # A look that has failed since then has set `not_before`.
    return and_(watches.c.next_look_at <= now, or_(watches.c.not_before.is_(None), watches.c.not_before <= now))


def _state(now: datetime) -> ColumnElement[str]:
    """Return the expression for the state of a watch: `domain.watches.Watch.state`."""
    answers = ((watches.c.failure_code == code, literal(state)) for code, state in ANSWERS_OF_LOOKS.items())
    return case((watches.c.late_at <= now, literal(WatchState.LATE)), *answers, else_=literal(WatchState.ACTIVE))


async def _lock_due(connection: AsyncConnection, numbers: Sequence[str], due_at: datetime) -> None:
    """Lock watches in the order in which everybody locks them."""
    await connection.execute(
        select(watches.c.client)
        .where(watches.c.process_number.in_(numbers), _is_waiting(due_at))
        .order_by(watches.c.process_number, watches.c.client)
        .with_for_update()
    )


async def _get(connection: AsyncConnection, number: str, client: str) -> Row[Any] | None:
    found = select(watches).where(watches.c.process_number == number, watches.c.client == client)
    return (await connection.execute(found)).one_or_none()


async def _put(connection: AsyncConnection, number: str, client: str, wish: WatchWish) -> Row[Any]:
    await claim_process(connection, number)
    known = await _get(connection, number, client)
    every_seconds = int(wish.every.total_seconds())
    if known is None or known.every_seconds != every_seconds:
        planned = await _plan(connection, number, wish.every, known)
    else:
        planned = known.next_look_at
    values: dict[str, Any] = {
        "every_seconds": every_seconds,
        "webhook_url": wish.webhook_url,
        "notify": wish.notify,
        "download": wish.download,
        "next_look_at": planned,
        "late_at": late_after(planned, wish.every),
    }
    statement = insert_into(connection, watches).on_conflict_do_update(
        index_elements=["process_number", "client"], set_=values
    )
    written = await connection.execute(
        statement.values(
            process_number=number,
            client=client,
            created_at=datetime.now(UTC),
            announced_sequence=await last_sequence(connection, number),
            **values,
        ).returning(watches)
    )
    row: Row[Any] = written.one()
    return row


async def _plan(connection: AsyncConnection, number: str, every: timedelta, known: Row[Any] | None) -> datetime:
    """Return when a process is first looked at, or next, after the interval of its watch has changed."""
    now = datetime.now(UTC)
    if known is not None and known.next_look_at <= now:
        # New documents may wait for it, although the court was asked a moment ago.
        due: datetime = known.next_look_at
        return due
    listed_at = await connection.scalar(select(processes.c.listed_at).where(processes.c.number == number))
    checked_at = known.last_checked_at if known is not None and known.last_checked_at else listed_at
    if checked_at is None or checked_at <= now - every:
        return now
    return max(next_look(number, every, checked_at), now)


def _to_watch(row: Row[Any]) -> Watch:
    return Watch(
        process_number=row.process_number,
        client=row.client,
        wish=WatchWish(
            timedelta(seconds=row.every_seconds), row.webhook_url, WatchNotify(row.notify), row.download
        ),
        created_at=row.created_at,
        last_checked_at=row.last_checked_at,
        next_look_at=row.next_look_at,
        late_at=row.late_at,
        failure_code=FailureCode(row.failure_code) if row.failure_code else None,
    )
