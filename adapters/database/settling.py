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
    documents.c.withdrawn,
    documents.c.replaced_by,
    documents.c.unlisting_reported_at,
    instances.c.degree,
)
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


async def settle_added(connection: AsyncConnection, number: str) -> None:
    """Decide about the undecided documents of a process that are stored by now. Idempotent.

    A known paper is shown neither as added nor, under its former id, as unlisted.
    """
    undecided = select(changes.c.sequence, changes.c.document_id).where(
        changes.c.process_number == number, changes.c.undecided
    )
    if (await connection.execute(undecided.limit(1))).first() is None:
        return
    # The order in which recording a listing takes its locks.
    await connection.execute(
        select(processes.c.number).where(processes.c.number == number).with_for_update(key_share=True)
    )
    # Not joined: a planner without statistics of a large process may compare all with all.
    stored = await connection.execute(
        select(*_COLUMNS)
        .select_from(documents.join(instances, documents.c.instance_id == instances.c.id))
        .where(documents.c.process_number == number, documents.c.status == DocumentStatus.AVAILABLE)
        .order_by(documents.c.position)
    )
    by_id = {row.id: row for row in stored}
    known: dict[tuple[str, str | None], list[Row[*tuple[Any, ...]]]] = {}
    for gone in by_id.values():
        if gone.withdrawn and gone.replaced_by is None and gone.unlisting_reported_at is None:
            known.setdefault((gone.sha256, gone.degree), []).append(gone)
    decisions: list[dict[str, Any]] = []
    replaced: list[dict[str, Any]] = []
    for change in (await connection.execute(undecided.order_by(changes.c.sequence))).all():
        row = by_id.get(change.document_id)
        if row is None:
            continue
        candidates = known.get((row.sha256, row.degree), [])
        same = next(
            (candidate for candidate in candidates if candidate.id != row.id and _is_replaced(candidate, row)), None
        )
        decisions.append({"of_process": number, "of_sequence": change.sequence, "same": same and same.id})
        if same is not None:
            candidates.remove(same)
            replaced.append({"of_process": number, "of_id": same.id, "by": row.id})
    if decisions:
        await connection.execute(_DECIDE, decisions)
    if replaced:
        await connection.execute(_REPLACE, replaced)


def _is_replaced(vanished: Row[*tuple[Any, ...]], added: Row[*tuple[Any, ...]]) -> bool:
    # Courts file equal papers again and again. On another day, it is another paper.
    return vanished.unlisted_at <= added.first_listed_at and not Description(
        None, None, vanished.filed_at
    ).contradicts(Description(None, None, added.filed_at))
