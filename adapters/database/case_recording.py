"""Writes what a listing says of a case besides its documents. What it repeats is not written again."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Row, Table, bindparam, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.database.case_tables import movements, parties, related_processes
from adapters.database.changes import NewChange
from domain.cases import ChangeKind
from domain.listings import ListedMovement, Listing

_BEGINNING = datetime.min.replace(tzinfo=UTC)
_UPDATED = ("instance_id", "document_id", "secrecy", "unlisted_at")
_OF_MOVEMENT = (movements.c.process_number == bindparam("of_process")) & (movements.c.key == bindparam("of_key"))


async def record_movements(
    connection: AsyncConnection,
    listing: Listing,
    instance_ids: Mapping[str, int],
    document_ids: Mapping[str, str],
) -> list[NewChange]:
    """Write the movements that are new or have changed, and mark those that the listing no longer has.

    Args:
        connection: The transaction.
        listing: The listing.
        instance_ids: The instances' ids, by their keys.
        document_ids: The catalog's ids of documents, by the ids that the listing has for them.

    Returns:
        The new ones, in the order of their times.
    """
    if not listing.movements_stated:
        return []
    number = listing.process_number
    result = await connection.execute(
        select(movements.c.key, *(movements.c[name] for name in _UPDATED)).where(
            movements.c.process_number == number
        )
    )
    known = {row.key: row for row in result}
    added: list[ListedMovement] = []
    new_rows: list[dict[str, Any]] = []
    changed: list[dict[str, Any]] = []
    for movement in listing.movements:
        values = {
            "instance_id": instance_ids[movement.instance_key],
            "document_id": document_ids.get(movement.document_id or ""),
            "secrecy": movement.secrecy,
            "unlisted_at": None,
        }
        before = known.pop(movement.key, None)
        if before is None:
            added.append(movement)
            new_rows.append(
                {
                    "process_number": number,
                    "key": movement.key,
                    "occurred_at": movement.occurred_at,
                    "code": movement.code,
                    "text": movement.text,
                    "first_listed_at": listing.listed_at,
                    **values,
                }
            )
        elif any(getattr(before, name) != value for name, value in values.items()):
            changed.append({"of_process": number, "of_key": movement.key, **values})
    if new_rows:
        await connection.execute(insert(movements), new_rows)
    if changed:
        await connection.execute(
            update(movements).where(_OF_MOVEMENT).values({name: bindparam(name) for name in _UPDATED}), changed
        )
    await _mark_unlisted(connection, listing, known)
    added.sort(key=lambda movement: (movement.occurred_at or _BEGINNING, movement.key))
    return [NewChange(ChangeKind.MOVEMENT_ADDED, movement_key=movement.key) for movement in added]


async def _mark_unlisted(
    connection: AsyncConnection, listing: Listing, missing: Mapping[str, Row[*tuple[Any, ...]]]
) -> None:
    rows = [
        {"of_process": listing.process_number, "of_key": key}
        for key, row in missing.items()
        if row.unlisted_at is None
    ]
    if rows:
        await connection.execute(update(movements).where(_OF_MOVEMENT).values(unlisted_at=listing.listed_at), rows)


async def record_parties(
    connection: AsyncConnection, listing: Listing, instance_ids: Mapping[str, int], *, are_stored: bool
) -> None:
    """Replace the parties of the process by those of the listing, or by none if they are not stored."""
    rows = [
        {
            "instance_id": instance_ids[party.instance_key],
            "pole": party.pole,
            "name": party.name,
            "lawyers": [asdict(lawyer) for lawyer in party.lawyers],
        }
        for party in (listing.parties if are_stored else ())
    ]
    await _replace(connection, parties, listing.process_number, rows)


async def record_related(connection: AsyncConnection, listing: Listing, instance_ids: Mapping[str, int]) -> None:
    """Replace the related processes by those of the listing."""
    rows = [
        {
            "instance_id": instance_ids[related.instance_key],
            "related_number": related.number,
            "relation": related.relation,
            "class_code": related.class_code,
            "class_name": related.class_name,
            "active": related.active,
        }
        for related in listing.related
    ]
    await _replace(connection, related_processes, listing.process_number, rows)


async def _replace(
    connection: AsyncConnection, table: Table, number: str, rows: Sequence[Mapping[str, Any]]
) -> None:
    of_process = table.c.process_number == number
    numbered = [{"process_number": number, "position": position, **row} for position, row in enumerate(rows, 1)]
    result = await connection.execute(select(table).where(of_process).order_by(table.c.position))
    if [dict(row) for row in result.mappings()] == numbered:
        return
    await connection.execute(delete(table).where(of_process))
    if numbered:
        await connection.execute(insert(table), numbered)


def map_document_ids(listing: Listing, renamed: Mapping[str, str], known: Collection[str]) -> dict[str, str]:
    """Return the catalog's ids of documents, by every id that the listing has for them.

    Args:
        listing: The listing.
        renamed: The catalog's ids of documents that are listed under another id.
        known: The ids in the catalog before the listing.
    """
    ids = {document_id: document_id for document_id in known}
    for document in listing.documents:
        catalog_id = renamed.get(document.id, document.id)
        ids.update(dict.fromkeys((document.id, *(origin.id for origin in document.sources)), catalog_id))
    return ids
