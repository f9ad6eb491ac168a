"""Settles whether a new document is a known paper that the court lists under another id: its bytes tell.

The court may index old papers again under new ids. Where its own system has an id for them, the listing itself says
so (`document_matching`). Otherwise the document counts as added, undecided, until it is stored: if a document that
had vanished by then has the same bytes, degree and filing date, then it is that one.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row, bindparam, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.database.case_tables import changes
from adapters.database.tables import documents, instances, processes
from domain.documents import DocumentStatus
from domain.same_document import Description

_COLUMNS = (
    documents.c.id,
    documents.c.sha256,
    documents.c.filed_at,
    documents.c.first_listed_at,
    documents.c.unlisted_at,
    instances.c.degree,
)
_STORED = documents.join(instances, documents.c.instance_id == instances.c.id)
_DECIDE = (
    update(changes)
    .where(changes.c.process_number == bindparam("of_process"), changes.c.sequence == bindparam("of_sequence"))
    .values(undecided=False, same_as=bindparam("same"))
)
_REPLACE = (
    update(documents)
    .where(documents.c.process_number == bindparam("of_process"), documents.c.id == bindparam("of_id"))
    .values(replaced_by=bindparam("by"))
)


async def settle_added(connection: AsyncConnection, number: str) -> int:
    """Decide about the undecided documents of a process that are stored by now. Idempotent.

    A known paper is shown neither as added nor, under its former id, as unlisted.

    Returns:
        How many of them turned out to be known.
    """
    undecided = select(changes.c.sequence).where(changes.c.process_number == number, changes.c.undecided)
    if (await connection.execute(undecided.limit(1))).first() is None:
        return 0
    # The order in which recording a listing takes its locks.
    await connection.execute(
        select(processes.c.number).where(processes.c.number == number).with_for_update(key_share=True)
    )
    of_process = (documents.c.process_number == number) & (documents.c.status == DocumentStatus.AVAILABLE)
    added = await connection.execute(
        select(changes.c.sequence, *_COLUMNS)
        .select_from(
            _STORED.join(
                changes,
                (changes.c.process_number == documents.c.process_number)
                & (changes.c.document_id == documents.c.id),
            )
        )
        .where(of_process, changes.c.undecided)
        .order_by(changes.c.sequence)
    )
    vanished = await connection.execute(
        select(*_COLUMNS)
        .select_from(_STORED)
        .where(
            of_process,
            documents.c.withdrawn,
            documents.c.replaced_by.is_(None),
            documents.c.unlisting_reported_at.is_(None),
        )
        .order_by(documents.c.position)
    )
    known: dict[tuple[str, str | None], list[Row[*tuple[Any, ...]]]] = {}
    for gone in vanished:
        known.setdefault((gone.sha256, gone.degree), []).append(gone)
    decisions: list[dict[str, Any]] = []
    replaced: list[dict[str, Any]] = []
    for row in added:
        candidates = known.get((row.sha256, row.degree), [])
        same = next((candidate for candidate in candidates if _is_replaced(candidate, row)), None)
        decisions.append({"of_process": number, "of_sequence": row.sequence, "same": same and same.id})
        if same is not None:
            candidates.remove(same)
            replaced.append({"of_process": number, "of_id": same.id, "by": row.id})
    if decisions:
        await connection.execute(_DECIDE, decisions)
    if replaced:
        await connection.execute(_REPLACE, replaced)
    return len(replaced)


def _is_replaced(vanished: Row[*tuple[Any, ...]], added: Row[*tuple[Any, ...]]) -> bool:
    # Courts file equal papers again and again. On another day, it is another paper.
    return vanished.unlisted_at <= added.first_listed_at and not Description(
        None, None, vanished.filed_at
    ).contradicts(Description(None, None, added.filed_at))
