"""Finds what a listing changes in the documents of a process, and confirms what has long been unlisted."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, bindparam, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.database.changes import NewChange
from adapters.database.tables import documents
from domain.cases import UNLISTING_CONFIRMED_AFTER, ChangeKind
from domain.listings import Listing
from domain.secrecy import Secrecy

_READ = (
    documents.c.id,
    documents.c.name,
    documents.c.filed_at,
    documents.c.declared_size_bytes,
    documents.c.secrecy,
    documents.c.withdrawn,
    documents.c.sha256,
    documents.c.unlisting_reported_at,
    documents.c.replaced_by,
)
# The fields whose changes are recorded, by the names of their columns.
_COMPARED = {"name": "name", "filed_at": "filed_at", "declared_size_bytes": "size_bytes"}
_SET_REPLACED_BY = (
    update(documents)
    .where(documents.c.process_number == bindparam("of_process"), documents.c.id == bindparam("of_id"))
    .values(replaced_by=bindparam("by"))
)


@dataclass(frozen=True, slots=True)
class LevelChange:
    """A secrecy level of the process or of an instance that a listing changes."""

    before: Secrecy
    now: Secrecy


async def read_known_documents(connection: AsyncConnection, number: str) -> dict[str, Row[*tuple[Any, ...]]]:
    """Return the documents of a process as the catalog has them before a listing, by id."""
    result = await connection.execute(select(*_READ).where(documents.c.process_number == number))
    return {row.id: row for row in result}


def find_changes(
    known: Mapping[str, Row[*tuple[Any, ...]]],
    rows: Sequence[Mapping[str, Any]],
    renamed: Collection[str],
    instance_levels: Collection[LevelChange],
) -> Iterator[NewChange]:
    """Yield what a listing adds and changes, in its order.

    Args:
        known: The documents before the listing.
        rows: The listing's documents, as they are written to the catalog.
        renamed: Ids in the catalog of documents that are listed under another id.
        instance_levels: What the listing changes in the levels of instances. Each document has the level of its
            instance at least, and that is no change of the document.
    """
    listed = {row["id"] for row in rows}
    # Their bytes may be those of the new documents.
    has_vanished = any(
        row.sha256 is not None and row.replaced_by is None and row.unlisting_reported_at is None
        for document_id, row in known.items()
        if document_id not in listed
    )
    for row in rows:
        before = known.get(row["id"])
        if before is None:
            yield NewChange(ChangeKind.DOCUMENT_ADDED, row["id"], undecided=has_vanished)
            continue
        if before.unlisting_reported_at is not None:
            yield NewChange(ChangeKind.DOCUMENT_RELISTED, row["id"])
        if before.replaced_by in listed:
            # Both are listed: they are two papers with the same bytes.
            yield NewChange(ChangeKind.DOCUMENT_ADDED, before.replaced_by)
        yield from _compare(before, row, instance_levels, is_renamed=row["id"] in renamed)


def _compare(
    before: Row[*tuple[Any, ...]],
    now: Mapping[str, Any],
    instance_levels: Collection[LevelChange],
    *,
    is_renamed: bool,
) -> Iterator[NewChange]:
    # Another entry of the same paper may be written with another precision.
    for column, name in {} if is_renamed else _COMPARED.items():
        old, new = getattr(before, column), now[column]
        # A value that only one of the listings states does not show a change.
        if old is not None and new is not None and old != new:
            yield _changed(now["id"], name, _as_json(old), _as_json(new))
    old, new = Secrecy(before.secrecy), Secrecy(now["secrecy"])
    if is_level_change(old, new) and LevelChange(old, new) not in instance_levels:
        is_of_instance = any(new is level.now or old is level.before for level in instance_levels)
        if not is_of_instance:
            yield _changed(now["id"], "secrecy", old.value, new.value)


def is_level_change(before: Secrecy, now: Secrecy) -> bool:
    """Return whether two levels differ. The court often states no level for what is public."""
    return before is not now and not (before.is_open and now.is_open)


def _changed(document_id: str, field: str, before: object, now: object) -> NewChange:
    return NewChange(ChangeKind.DOCUMENT_CHANGED, document_id, details={"field": field, "from": before, "to": now})


def _as_json(value: object) -> object:
    return value.isoformat().replace("+00:00", "Z") if isinstance(value, datetime) else value


async def restore_replaced(
    connection: AsyncConnection, number: str, known: Mapping[str, Row[*tuple[Any, ...]]], listed: Collection[str]
) -> None:
    """Undo that listed documents are replaced by others with the same bytes.

    If the other one has vanished in turn, then it is replaced by the one that is listed again.
    """
    returned = [row for row in known.values() if row.replaced_by is not None and row.id in listed]
    rows = [{"of_process": number, "of_id": row.id, "by": None} for row in returned]
    rows += [
        {"of_process": number, "of_id": row.replaced_by, "by": row.id}
        for row in returned
        if row.replaced_by not in listed
    ]
    if rows:
        await connection.execute(_SET_REPLACED_BY, rows)


async def confirm_unlisted(
    connection: AsyncConnection, listing: Listing, changes_since: datetime
) -> list[NewChange]:
    """Report the documents that this listing lacks, as another one did at least a day ago. Each is reported once.

    Args:
        connection: The transaction, after the listing is written.
        listing: The listing.
        changes_since: Since when changes are recorded. What was unlisted before that is not reported.
    """
    reported = await connection.execute(
        update(documents)
        .where(
            documents.c.process_number == listing.process_number,
            documents.c.withdrawn,
            documents.c.unlisted_at >= changes_since,
            documents.c.unlisted_at <= listing.listed_at - UNLISTING_CONFIRMED_AFTER,
            documents.c.unlisting_reported_at.is_(None),
            documents.c.replaced_by.is_(None),
        )
        .values(unlisting_reported_at=listing.listed_at)
        .returning(documents.c.position, documents.c.id)
    )
    return [NewChange(ChangeKind.DOCUMENT_UNLISTED, row.id) for row in sorted(reported.all())]
