"""The log of changes: what each listing of a process has that the one before had not."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Row, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.database.case_tables import changes, movements
from adapters.database.changed_processes import find_changed
from adapters.database.engine import Database
from adapters.database.movement_rows import (
    SELECT_DOCUMENTS,
    SELECT_MOVEMENTS,
    read_open_ids,
    to_document_summary,
    to_movement,
)
from adapters.database.tables import documents, processes
from domain.cases import Change, ChangeKind, DocumentSummary, Movement
from domain.secrecy import Secrecy, readable

# How many changes are read at a time.
_CHUNK_SIZE = 500
# A document that turned out to be a known one under another id is no change.
_IS_SHOWN = changes.c.same_as.is_(None)


@dataclass(frozen=True, slots=True)
class NewChange:
    """A change to be written.

    Attributes:
        undecided: Whether the document may turn out to be one that has vanished (`settling`).
    """

    kind: ChangeKind
    document_id: str | None = None
    movement_key: str | None = None
    details: dict[str, Any] = field(default_factory=dict)
    undecided: bool = False


class ChangeRepository:
    """Reads the log of changes."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(self, number: str, after: int = 0, limit: int = 100, *, open_only: bool = False) -> list[Change]:
        """Return the changes of a process after a sequence number, in their order.

        Args:
            number: The process.
            after: The sequence number. Sequence numbers have gaps where a change is not shown.
            limit: Maximum number of changes.
            open_only: Leave out what a key without the scope ``sealed`` may not read.
        """
        async with self._database.reading() as connection:
            return await read_changes(connection, number, after=after, limit=limit, open_only=open_only)

    async def latest(self, number: str, after: int, limit: int, *, open_only: bool = False) -> list[Change]:
        """Return the last changes of a process after a sequence number, the latest first.

        Args:
            number: The process.
            after: The sequence number.
            limit: Maximum number of changes.
            open_only: Leave out what a key without the scope ``sealed`` may not read.
        """
        async with self._database.reading() as connection:
            return await read_changes(
                connection, number, after=after, limit=limit, open_only=open_only, latest_first=True
            )

    async def find_changed(self, after: Mapping[str, int], *, open_only: bool = False) -> frozenset[str]:
        """Return which processes have a change after a sequence number. See `changed_processes.find_changed`."""
        async with self._database.reading() as connection:
            return await find_changed(connection, after, open_only=open_only)

    async def last_sequence(self, number: str) -> int:
        """Return the sequence number of the last change of a process. 0 if there is none."""
        async with self._database.reading() as connection:
            return await last_sequence(connection, number)


async def read_changes(
    connection: AsyncConnection,
    number: str,
    *,
    after: int,
    until: int | None = None,
    kinds: Collection[ChangeKind] | None = None,
    limit: int | None = None,
    open_only: bool = False,
    latest_first: bool = False,
) -> list[Change]:
    """Return the changes of a process after a sequence number, in a transaction. See `ChangeRepository.page`.

    Args:
        connection: The transaction.
        number: The process.
        after: The sequence number.
        until: The last sequence number. None means all.
        kinds: Only those of these kinds. None means all.
        limit: Maximum number of changes. None means all.
        open_only: Leave out what a key without the scope ``sealed`` may not read.
        latest_first: The latest first.
    """
    found: list[Change] = []
    level = select(processes.c.unlisted_at, processes.c.secrecy).where(processes.c.number == number)
    process = (await connection.execute(level)).one_or_none()
    unlisted_at = process and process.unlisted_at
    of_all = [changes.c.process_number == number, _IS_SHOWN]
    if open_only and process is not None:
        # Of a closed process, `readable` would leave out all or almost all, and a long log be read for nothing.
        if unlisted_at is not None:
            return found
        if not Secrecy(process.secrecy).is_open:
            of_all.append(changes.c.kind == ChangeKind.SECRECY_CHANGED)
    if until is not None:
        of_all.append(changes.c.sequence <= until)
    if kinds is not None:
        of_all.append(changes.c.kind.in_(kinds))
    wanted = [changes.c.sequence > after]
    while True:
        result = await connection.execute(
            select(changes)
            .where(*of_all, *wanted)
            .order_by(changes.c.sequence.desc() if latest_first else changes.c.sequence)
            .limit(_CHUNK_SIZE)
        )
        chunk = result.all()
        described = await _describe(connection, number, chunk, unlisted_at)
        found += readable(described, ()) if open_only else described
        if len(chunk) < _CHUNK_SIZE or (limit is not None and len(found) >= limit):
            return found[:limit]
        last = chunk[-1].sequence
        wanted = (
            [changes.c.sequence > after, changes.c.sequence < last] if latest_first else [changes.c.sequence > last]
        )


async def _describe(
    connection: AsyncConnection,
    number: str,
    chunk: Sequence[Row[*tuple[Any, ...]]],
    unlisted_at: datetime | None,
) -> list[Change]:
    """Return changes with their documents and movements.

    These are queries of their own: as joins, a planner without statistics of a large process may compare all with
    all.
    """
    document_ids = {row.document_id for row in chunk} - {None}
    keys = {row.movement_key for row in chunk} - {None}
    summaries: dict[str, DocumentSummary] = {}
    moved: dict[str, Movement] = {}
    if document_ids:
        condition = (documents.c.process_number == number) & documents.c.id.in_(document_ids)
        for row in await connection.execute(SELECT_DOCUMENTS.where(condition)):
            summaries[row.document_id] = to_document_summary(row)
    if keys:
        is_moved = (movements.c.process_number == number) & movements.c.key.in_(keys)
        rows = (await connection.execute(SELECT_MOVEMENTS.where(is_moved))).all()
        open_ids = await read_open_ids(connection, number, (row.named_id for row in rows))
        moved = {row.movement_key: to_movement(row, open_ids) for row in rows}
    return [
        Change(
            sequence=row.sequence,
            kind=ChangeKind(row.kind),
            seen_at=row.seen_at,
            details=row.details,
            document=summaries.get(row.document_id),
            movement=moved.get(row.movement_key),
            process_unlisted_at=unlisted_at,
        )
        for row in chunk
    ]


async def last_sequence(connection: AsyncConnection, number: str) -> int:
    """Return the sequence number of the last change of a process, shown or not. 0 if there is none."""
    last = select(func.max(changes.c.sequence)).where(changes.c.process_number == number)
    return await connection.scalar(last) or 0


async def append_changes(
    connection: AsyncConnection, number: str, new: Sequence[NewChange], *, seen_at: datetime
) -> None:
    """Write changes of a process. The transaction must hold the lock on the process's row.

    Args:
        connection: The transaction.
        number: The process.
        new: The changes, in their order.
        seen_at: When the listing was requested that shows them.
    """
    if not new:
        return
    last = await last_sequence(connection, number)
    rows = [
        {
            "process_number": number,
            "sequence": sequence,
            "kind": change.kind,
            "document_id": change.document_id,
            "movement_key": change.movement_key,
            "details": change.details,
            "seen_at": seen_at,
            "undecided": change.undecided,
        }
        for sequence, change in enumerate(new, last + 1)
    ]
    await connection.execute(insert(changes), rows)
