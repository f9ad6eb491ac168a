"""Which of several processes have changes that somebody has not seen: a few statements for all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Row, select, union_all
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.database.case_tables import changes, movements
from adapters.database.movement_rows import (
    SELECT_DOCUMENTS,
    SELECT_MOVEMENTS,
    to_document_summary,
    to_movement,
)
from adapters.database.tables import documents, processes
from domain.cases import Change, ChangeKind
from domain.secrecy import is_withheld

# How many changes of a process are looked at, the latest first, for one that a key without `sealed` may read.
_LOOKED_AT = 10


async def find_changed(connection: AsyncConnection, after: Mapping[str, int], *, open_only: bool) -> frozenset[str]:
    """Return which processes have a change after a sequence number.

    Args:
        connection: The transaction.
        after: The processes, and the sequence number for each.
        open_only: Leave out what a key without the scope ``sealed`` may not read. Only the last changes of each
            process are looked at: a process may be left out, never named wrongly.
    """
    if not after:
        return frozenset()
    # Ends with the first change of each process, by the primary key.
    latest = [
        select(changes)
        .where(
            changes.c.process_number == number,
            changes.c.sequence > sequence,
            # As in the log, a document that turned out to be a known one is no change.
            changes.c.same_as.is_(None),
        )
        .order_by(changes.c.sequence.desc())
        .limit(_LOOKED_AT if open_only else 1)
        .subquery()
        for number, sequence in after.items()
    ]
    rows = (await connection.execute(union_all(*(select(each) for each in latest)))).all()
    if open_only and rows:
        rows = [row for row, change in await _describe(connection, rows) if not is_withheld(change, ())]
    return frozenset(row.process_number for row in rows)


async def _describe(
    connection: AsyncConnection, rows: Sequence[Row[*tuple[Any, ...]]]
) -> list[tuple[Row[*tuple[Any, ...]], Change]]:
    numbers = {row.process_number for row in rows}
    of_numbers = select(processes.c.number, processes.c.unlisted_at).where(processes.c.number.in_(numbers))
    unlisted_at = {row.number: row.unlisted_at for row in await connection.execute(of_numbers)}
    of_documents = SELECT_DOCUMENTS.where(
        documents.c.process_number.in_(numbers), documents.c.id.in_({row.document_id for row in rows} - {None})
    )
    summaries = {
        (row.process_number, row.document_id): to_document_summary(row)
        for row in await connection.execute(of_documents)
    }
    of_movements = SELECT_MOVEMENTS.where(
        movements.c.process_number.in_(numbers), movements.c.key.in_({row.movement_key for row in rows} - {None})
    )
    moved = {
        (row.process_number, row.movement_key): to_movement(row, ())
        for row in await connection.execute(of_movements)
    }
    return [
        (
            row,
            Change(
                sequence=row.sequence,
                kind=ChangeKind(row.kind),
                seen_at=row.seen_at,
                document=summaries.get((row.process_number, row.document_id)),
                movement=moved.get((row.process_number, row.movement_key)),
                process_unlisted_at=unlisted_at[row.process_number],
            ),
        )
        for row in rows
    ]
