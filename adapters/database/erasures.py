"""Receipts of erasures: requested once, completed once. While a receipt blocks, it is the process's tombstone."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Row,
    and_,
    case,
    func,
    literal,
    literal_column,
    null,
    or_,
    select,
    tuple_,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.database.client_tables import batch_items, batches
from adapters.database.engine import Database
from adapters.database.erased_rows import find_rows
from adapters.database.erasure_tables import erasures, legal_holds
from adapters.database.tables import UtcDateTime, processes, runs
from adapters.database.tombstones import insert_process, lock_process
from adapters.database.upserts import insert_into
from adapters.database.watch_tables import watches
from domain.erasure import RETENTION_AUTHOR, Author, Erasure, ErasureCounts, ErasureKind
from domain.errors import ProcessErased, ProcessHeld

_PAGE_SIZE = 100
# A look at so many processes takes a fraction of a second.
_SCANNED_PER_PAGE = 5_000
_ONE: ColumnElement[int] = literal_column("1")


class ErasureRepository:
    """The table of erasures."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def request(
        self, number: str, author: Author, reason: str | None, *, known: bool = False
    ) -> Erasure | None:
        """Write the tombstone of a process, in one transaction with the check for a legal hold.

        From then on nothing of the process is stored any more. Idempotent: while a tombstone blocks the process,
        its receipt is returned. An erasure by retention that still runs becomes one by this request: it would
        no longer block the process at its end.

        Args:
            number: The process.
            author: Who asks for the erasure.
            reason: Why.
            known: Erase the process even if the catalog has no row of it.

        Returns:
            The receipt. None if the catalog knows nothing of the process, and never erased it.

        Raises:
            ProcessHeld: A legal hold prevents the erasure. Nothing was changed.
        """
        async with self._database.writing() as connection:
            await _take_over_retention(connection, number, author, reason)
            earlier = await _read_latest(connection, number)
            if earlier is not None and earlier.blocking:
                return earlier
            is_known = known or earlier is not None or await find_rows(connection, number)
            if not is_known:
                return None
            return await _write_tombstone(connection, number, ErasureKind.REQUEST, author, reason)

    async def expire(self, number: str, *, before: datetime) -> Erasure | None:
        """Write the tombstone of a process whose retention period is over.

        Returns:
            The receipt. None if the process was active meanwhile, is held, or has a tombstone already.
        """
        async with self._database.writing() as connection:
            await lock_process(connection, number, exclusive=True)
            expired = select(processes.c.number).where(processes.c.number == number, _is_expired(before))
            if await connection.scalar(expired) is None:
                return None
            return await _write_tombstone(connection, number, ErasureKind.RETENTION, RETENTION_AUTHOR, None)

    async def get_latest(self, number: str) -> Erasure | None:
        """Return the latest receipt of a process. None if it was never erased."""
        async with self._database.reading() as connection:
            return await _read_latest(connection, number)

    async def is_blocked(self, number: str) -> bool:
        """Return whether a process must not come back."""
        async with self._database.reading() as connection:
            blocked = select(erasures.c.id).where(erasures.c.blocked_number == number)
            return await connection.scalar(blocked) is not None

    async def allow_again(self, number: str, author: Author) -> Erasure | None:
        """Remove the block of an erased process. The receipt stays. Idempotent.

        Returns:
            The latest receipt. None if the process was never erased.

        Raises:
            ProcessErased: The erasure still runs. Nothing was changed.
        """
        async with self._database.writing() as connection:
            erasure = await _read_latest(connection, number)
            if erasure is None or not erasure.blocking:
                return erasure
            if erasure.completed_at is None:
                raise ProcessErased(number, running=True, erased_at=erasure.requested_at)
            await connection.execute(
                update(erasures)
                .where(erasures.c.id == erasure.id)
                .values(
                    blocked_number=None,
                    allowed_again_at=datetime.now(UTC),
                    allowed_again_by=author.client,
                    allowed_again_key_id=author.key_id,
                )
            )
            return await _read_latest(connection, number)

    async def complete(self, number: str) -> Erasure | None:
        """Record that nothing is left of a process. An erasure by retention no longer blocks it. Idempotent.

        Returns:
            The receipt. It is still running if the catalog has rows of the process. None if it was never erased.
        """
        # One statement: a request may make an erasure by retention its own at the same moment.
        completion = (
            update(erasures)
            .where(erasures.c.blocked_number == number, erasures.c.completed_at.is_(None))
            .values(
                completed_at=datetime.now(UTC),
                blocked_number=case(
                    (erasures.c.kind == ErasureKind.RETENTION, null()), else_=erasures.c.blocked_number
                ),
            )
        )
        async with self._database.writing() as connection:
            # Whoever repeats this call late may meet the next erasure of the process, which has only begun.
            if not await find_rows(connection, number):
                await connection.execute(completion)
            return await _read_latest(connection, number)

    async def list_running(self, *, after: int, before: datetime) -> list[Erasure]:
        """Return a page of erasures that are not complete, oldest first.

        Args:
            after: The id of the last erasure of the page before. 0 for the first page.
            before: Leave out erasures that were requested later.
        """
        async with self._database.reading() as connection:
            result = await connection.execute(
                select(erasures)
                .where(erasures.c.completed_at.is_(None), erasures.c.id > after, erasures.c.requested_at < before)
                .order_by(erasures.c.id)
                .limit(_PAGE_SIZE)
            )
            return [_to_erasure(row) for row in result]

    async def find_oldest_running(self) -> datetime | None:
        """Return when the oldest erasure was requested that is not complete. None if there is none."""
        oldest = select(func.min(erasures.c.requested_at)).where(erasures.c.completed_at.is_(None))
        async with self._database.reading() as connection:
            since: datetime | None = await connection.scalar(oldest)
        return since

    async def list_expired(
        self, *, before: datetime, after: tuple[datetime, str] | None, limit: int
    ) -> tuple[list[str], tuple[datetime, str] | None]:
        """Look at a page of processes, oldest first, and return those without activity since ``before``.

        Activity is: the process came into the catalog, the court listed it, it failed, or a run of it started or
        ended. Processes under hold or watched are left out, and so are those that a batch has still to come to.

        Args:
            before: The end of the retention period.
            after: Where the page begins. None for the first page.
            limit: Maximum number of processes that are returned.

        Returns:
            Their numbers, and where the next page begins. None after the last page.
        """
        key = (processes.c.created_at, processes.c.number)
        # Bounded: most processes may be old and active.
        statement = (
            select(*key, _is_expired(before).label("is_expired"))
            .where(processes.c.created_at < before)
            .order_by(*key)
            .limit(_SCANNED_PER_PAGE)
        )
        if after is not None:
            statement = statement.where(tuple_(*key) > tuple_(literal(after[0], UtcDateTime()), literal(after[1])))
        async with self._database.reading() as connection:
            rows = (await connection.execute(statement)).all()
        expired = [row for row in rows if row.is_expired][:limit]
        if len(expired) < limit and len(rows) < _SCANNED_PER_PAGE:
            return [row.number for row in expired], None
        last = expired[-1] if len(expired) == limit else rows[-1]
        return [row.number for row in expired], (last.created_at, last.number)


def _is_expired(before: datetime) -> ColumnElement[bool]:
    def has_no(*conditions: ColumnElement[bool]) -> ColumnElement[bool]:
        # Not EXISTS: outside of WHERE, Postgres plans each of them twice, which takes longer than to read a page.
        return select(_ONE).where(*conditions).limit(_ONE).scalar_subquery().is_(None)

    is_active = or_(runs.c.started_at >= before, runs.c.ended_at >= before, runs.c.outcome.is_(None))
    return and_(
        processes.c.created_at < before,
        *(or_(column.is_(None), column < before) for column in (processes.c.listed_at, processes.c.failed_at)),
        has_no(runs.c.process_number == processes.c.number, is_active),
        # Its turn comes later.
        has_no(
            batch_items.c.process_number == processes.c.number,
            batch_items.c.decision.is_(None),
            batch_items.c.batch_id == batches.c.id,
            batches.c.ended_at.is_(None),
        ),
        has_no(watches.c.process_number == processes.c.number),
        has_no(legal_holds.c.process_number == processes.c.number),
        has_no(erasures.c.blocked_number == processes.c.number),
    )


async def _take_over_retention(
    connection: AsyncConnection, number: str, author: Author, reason: str | None
) -> None:
    """Make the erasure of a process by retention, if it runs, an erasure by request."""
    await connection.execute(
        update(erasures)
        .where(erasures.c.blocked_number == number, erasures.c.kind == ErasureKind.RETENTION)
        .values(
            kind=ErasureKind.REQUEST,
            reason=reason,
            requested_at=datetime.now(UTC),
            requested_by=author.client,
            key_id=author.key_id,
        )
    )


async def _write_tombstone(
    connection: AsyncConnection, number: str, kind: ErasureKind, author: Author, reason: str | None
) -> Erasure:
    """Write a tombstone, unless the process has one or is held. The erasure deletes the row that is locked here."""
    await insert_process(connection, number)
    await lock_process(connection, number, exclusive=True)
    held = select(legal_holds.c.process_number).where(legal_holds.c.process_number == number)
    if await connection.scalar(held) is not None:
        raise ProcessHeld(f"A legal hold is on {number}. It is erased only after the hold is released.")
    await connection.execute(
        insert_into(connection, erasures).on_conflict_do_nothing(index_elements=["blocked_number"]),
        {
            "process_number": number,
            "blocked_number": number,
            "kind": kind,
            "reason": reason,
            "requested_at": datetime.now(UTC),
            "requested_by": author.client,
            "key_id": author.key_id,
        },
    )
    blocking = await connection.execute(select(erasures).where(erasures.c.blocked_number == number))
    return _to_erasure(blocking.one())


async def _read_latest(connection: AsyncConnection, number: str) -> Erasure | None:
    row = (
        await connection.execute(
            select(erasures).where(erasures.c.process_number == number).order_by(erasures.c.id.desc()).limit(1)
        )
    ).one_or_none()
    return None if row is None else _to_erasure(row)


def _to_erasure(row: Row[*tuple[Any, ...]]) -> Erasure:
    allowed_by = row.allowed_again_by
    return Erasure(
        id=row.id,
        process_number=row.process_number,
        kind=ErasureKind(row.kind),
        requested_at=row.requested_at,
        requested_by=Author(row.requested_by, row.key_id),
        blocking=row.blocked_number is not None,
        completed_at=row.completed_at,
        reason=row.reason,
        allowed_again_at=row.allowed_again_at,
        allowed_again_by=None if allowed_by is None else Author(allowed_by, row.allowed_again_key_id),
        counts=ErasureCounts(
            documents=row.documents,
            versions=row.versions,
            objects=row.objects or 0,
            bytes=row.bytes or 0,
            runs=row.runs,
            deliveries=row.deliveries,
            accesses=row.accesses,
            workflows=row.workflows,
        ),
    )
