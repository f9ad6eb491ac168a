"""Listings: what the court says a process holds, laid over what the catalog knows."""

from __future__ import annotations

from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.database.engine import Database
from adapters.database.tables import documents, instances, processes
from adapters.database.upserts import insert_into, refreshing
from domain.documents import DocumentStatus, ListedDocument, Listing
from domain.messages import ListingSummary

_DESCRIPTION = (
    "instance_id",
    "name",
    "sequence",
    "type_code",
    "type_name",
    "filed_at",
    "secrecy",
    "binary_href",
    "text_href",
    "declared_media_type",
    "declared_size_bytes",
    "pages",
    "origin_id",
)


class Listings:
    """Writes listings into the catalog."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def record(self, listing: Listing) -> ListingSummary:
        """Insert what is new, describe again what is known, keep what is available.

        A document that the listing no longer names is marked as withdrawn and counts only if it is stored. The
        same listing recorded twice changes nothing.
        """
        async with self._database.writing() as connection:
            await _write_process(connection, listing)
            instance_ids = await _write_instances(connection, listing)
            here = documents.c.process_number == listing.process_number
            known = set(await connection.scalars(select(documents.c.id).where(here)))
            position = await connection.scalar(select(func.max(documents.c.position)).where(here)) or 0
            rows: list[dict[str, Any]] = []
            new = 0
            for document in listing.documents:
                if document.id not in known:
                    position += 1
                    new += 1
                rows.append(_row(listing, document, instance_ids[document.instance_key], position))
            if rows:
                statement = refreshing(
                    insert_into(connection, documents),
                    key=("process_number", "id"),
                    columns=(*_DESCRIPTION, "last_listed_at", "withdrawn"),
                )
                await connection.execute(statement, rows)
            await connection.execute(
                update(documents).where(here, documents.c.last_listed_at < listing.listed_at).values(withdrawn=True)
            )
        return ListingSummary(total_documents=len(listing.documents), new_documents=new)


async def _write_process(connection: AsyncConnection, listing: Listing) -> None:
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
    }
    statement = refreshing(insert_into(connection, processes), key=("number",), columns=tuple(columns))
    await connection.execute(
        statement, {"number": listing.process_number, "created_at": listing.listed_at, **columns}
    )


async def _write_instances(connection: AsyncConnection, listing: Listing) -> dict[str, int]:
    rows = [
        {
            "process_number": listing.process_number,
            "key": instance.key,
            "degree": instance.degree,
            "name": instance.name,
            "court_unit": instance.court_unit,
            "filed_at": instance.filed_at,
            "current": instance.current,
        }
        for instance in listing.instances
    ]
    if rows:
        statement = refreshing(
            insert_into(connection, instances),
            key=("process_number", "key"),
            columns=("degree", "name", "court_unit", "filed_at", "current"),
        )
        await connection.execute(statement, rows)
    result = await connection.execute(
        select(instances.c.key, instances.c.id).where(instances.c.process_number == listing.process_number)
    )
    return {row.key: row.id for row in result}


def _row(listing: Listing, document: ListedDocument, instance_id: int, position: int) -> dict[str, Any]:
    description = {name: getattr(document, name) for name in _DESCRIPTION if name != "instance_id"}
    return {
        **description,
        "process_number": listing.process_number,
        "id": document.id,
        "instance_id": instance_id,
        # For a known document this value is not used: its position never changes.
        "position": position,
        "first_listed_at": listing.listed_at,
        "last_listed_at": listing.listed_at,
        "withdrawn": False,
        "status": DocumentStatus.PENDING,
        "failed_attempts": 0,
    }
