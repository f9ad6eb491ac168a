"""The log of changes: what each listing of a process has that the one before had not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, case, func, insert, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.database.case_tables import changes, movements
from adapters.database.engine import Database
from adapters.database.movement_rows import (
    DOCUMENT_COLUMNS,
    DOCUMENT_LEVEL_IS_OPEN,
    MOVEMENT_COLUMNS,
    MOVEMENT_IS_OPEN,
    PROCESS_COLUMNS,
    PROCESS_IS_OPEN,
    join_document_parts,
    join_movement_parts,
    to_document_summary,
    to_movement,
)
from adapters.database.tables import documents, processes
from domain.cases import Change, ChangeKind

_CHANGES = join_movement_parts(
    join_document_parts(
        changes.join(processes, changes.c.process_number == processes.c.number).outerjoin(
            documents,
            (documents.c.process_number == changes.c.process_number) & (documents.c.id == changes.c.document_id),
        ),
        isouter=True,
    ).outerjoin(
        movements,
        (movements.c.process_number == changes.c.process_number) & (movements.c.key == changes.c.movement_key),
    ),
    isouter=True,
)
_SELECT = select(
    changes.c.sequence,
    changes.c.kind,
    changes.c.seen_at,
    changes.c.details,
    *DOCUMENT_COLUMNS,
    *MOVEMENT_COLUMNS,
    *PROCESS_COLUMNS,
).select_from(_CHANGES)
_ASKED = processes.alias("asked")
# A document that turned out to be a known one under another id is no change.
_IS_SHOWN = changes.c.same_as.is_(None)
# Whether a key without the scope `sealed` may read a change: `domain.secrecy.is_withheld` in SQL.
_IS_OPEN = or_(
    and_(changes.c.kind == ChangeKind.SECRECY_CHANGED, processes.c.unlisted_at.is_(None)),
    and_(
        PROCESS_IS_OPEN,
        or_(
            and_(
                DOCUMENT_LEVEL_IS_OPEN,
                or_(changes.c.kind == ChangeKind.DOCUMENT_UNLISTED, documents.c.unlisted_at.is_(None)),
            ),
            MOVEMENT_IS_OPEN,
        ),
    ),
)


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
        """Return which processes have a change after a sequence number, with one query.

        Args:
            after: The processes, and the sequence number for each.
            open_only: Leave out what a key without the scope ``sealed`` may not read.
        """
        if not after:
            return frozenset()
        conditions = [
            changes.c.process_number == _ASKED.c.number,
            changes.c.sequence > case(after, value=_ASKED.c.number),
            _IS_SHOWN,
            *((_IS_OPEN,) if open_only else ()),
        ]
        # For each process, the search ends with the first change.
        has_change = select(changes.c.sequence).select_from(_CHANGES).where(*conditions).correlate(_ASKED).exists()
        async with self._database.reading() as connection:
            result = await connection.execute(select(_ASKED.c.number).where(_ASKED.c.number.in_(after), has_change))
            return frozenset(row.number for row in result)

    async def last_sequence(self, number: str) -> int:
        """Return the sequence number of the last change of a process. 0 if there is none."""
        async with self._database.reading() as connection:
            return await last_sequence(connection, number)


async def read_changes(
    connection: AsyncConnection,
    number: str,
    *,
    after: int,
    limit: int | None = None,
    open_only: bool = False,
    latest_first: bool = False,
) -> list[Change]:
    """Return the changes of a process after a sequence number, in a transaction. See `ChangeRepository.page`."""
    conditions: list[ColumnElement[bool]] = [
        changes.c.process_number == number,
        changes.c.sequence > after,
        _IS_SHOWN,
    ]
    if open_only:
        conditions.append(_IS_OPEN)
    order = changes.c.sequence.desc() if latest_first else changes.c.sequence
    result = await connection.execute(_SELECT.where(*conditions).order_by(order).limit(limit))
    return [_to_change(row) for row in result]


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


def _to_change(row: Row[*tuple[Any, ...]]) -> Change:
    return Change(
        sequence=row.sequence,
        kind=ChangeKind(row.kind),
        seen_at=row.seen_at,
        details=row.details,
        document=None if row.document_id is None else to_document_summary(row),
        movement=None if row.movement_key is None else to_movement(row),
        process_unlisted_at=row.process_unlisted_at,
    )
