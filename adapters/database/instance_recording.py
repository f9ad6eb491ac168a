"""Writes the process and the instances of a listing, and finds the secrecy levels that it changes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import Row, select
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.database.changes import NewChange
from adapters.database.document_changes import LevelChange, is_level_change
from adapters.database.tables import instances, processes
from adapters.database.upserts import insert_into, on_conflict_overwrite
from domain.cases import ChangeKind
from domain.listings import Listing
from domain.secrecy import Secrecy

_INSTANCE_COLUMNS = (
    *("degree", "name", "court_unit", "filed_at", "current", "secrecy"),
    *("class_code", "class_name", "subjects", "value", "last_listed_at"),
)


async def read_process(connection: AsyncConnection, number: str) -> Row[*tuple[Any, ...]] | None:
    """Return a process as the former listing left it, and lock its row. None if the catalog does not have it."""
    result = await connection.execute(
        select(processes.c.listed_at, processes.c.secrecy, processes.c.changes_since, processes.c.movements_since)
        .where(processes.c.number == number)
        .with_for_update(key_share=True)
    )
    return result.one_or_none()


async def write_process(
    connection: AsyncConnection, listing: Listing, before: Row[*tuple[Any, ...]] | None
) -> None:
    """Write what the listing says of the process, and what it is the baseline of."""
    movements_since = before and before.movements_since
    if movements_since is None and listing.movements_stated:
        movements_since = listing.listed_at
    columns: dict[str, Any] = {
        "court": listing.court,
        "secrecy": listing.secrecy,
        "class_code": listing.class_code,
        "class_name": listing.class_name,
        "subjects": list(listing.subjects),
        "filed_at": listing.filed_at,
        "value": listing.value,
        "listed_at": listing.listed_at,
        "listed_documents": len(listing.documents),
        "failure_code": None,
        "failure_answer": None,
        "failed_at": None,
        "unlisted_at": None,
        "changes_since": (before and before.changes_since) or listing.listed_at,
        "movements_since": movements_since,
    }
    statement = on_conflict_overwrite(insert_into(connection, processes), key=("number",), columns=tuple(columns))
    await connection.execute(
        statement, {"number": listing.process_number, "created_at": listing.listed_at, **columns}
    )


async def read_instance_levels(connection: AsyncConnection, number: str) -> dict[str, Secrecy]:
    """Return the secrecy levels of the instances that the catalog has, by their keys."""
    result = await connection.execute(
        select(instances.c.key, instances.c.secrecy).where(instances.c.process_number == number)
    )
    return {row.key: Secrecy(row.secrecy) for row in result}


async def write_instances(connection: AsyncConnection, listing: Listing) -> dict[str, int]:
    """Write the instances of a listing. Returns the ids of all that the catalog has, by their keys."""
    rows = [
        {
            "process_number": listing.process_number,
            "key": instance.key,
            **{name: getattr(instance, name) for name in _INSTANCE_COLUMNS if hasattr(instance, name)},
            "subjects": list(instance.subjects),
            "last_listed_at": listing.listed_at,
        }
        for instance in listing.instances
    ]
    if rows:
        statement = on_conflict_overwrite(
            insert_into(connection, instances), key=("process_number", "key"), columns=_INSTANCE_COLUMNS
        )
        await connection.execute(statement, rows)
    result = await connection.execute(
        select(instances.c.key, instances.c.id).where(instances.c.process_number == listing.process_number)
    )
    return {row.key: row.id for row in result}


def find_instance_changes(listing: Listing, levels: Mapping[str, Secrecy]) -> dict[str, LevelChange]:
    """Return the levels of instances that the listing changes, by their keys.

    Args:
        listing: The listing.
        levels: The levels before it.
    """
    return {
        instance.key: LevelChange(levels[instance.key], instance.secrecy)
        for instance in listing.instances
        if instance.key in levels and is_level_change(levels[instance.key], instance.secrecy)
    }


def report_levels(
    listing: Listing, before: Row[*tuple[Any, ...]], instance_changes: Mapping[str, LevelChange]
) -> Iterator[NewChange]:
    """Yield the changes of the secrecy levels of the process and its instances."""
    former = Secrecy(before.secrecy)
    if is_level_change(former, listing.secrecy):
        yield _level_change(LevelChange(former, listing.secrecy), {"of": "process"})
    for key, change in instance_changes.items():
        yield _level_change(change, {"of": "instance", "instance": key})


def _level_change(change: LevelChange, subject: dict[str, str]) -> NewChange:
    details = {**subject, "from": change.before.value, "to": change.now.value}
    return NewChange(ChangeKind.SECRECY_CHANGED, details=details)
