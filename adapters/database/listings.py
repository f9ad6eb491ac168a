"""Listings: what the court says a process holds, laid over what the catalog knows."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Row, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.database.engine import Database
from adapters.database.identities import KnownDocument, known_ids
from adapters.database.tables import documents, instances, processes
from adapters.database.upserts import insert_into, refreshing
from adapters.database.versions import replace_changed, write_origin
from domain.documents import DocumentStatus, ListedDocument, Listing
from domain.messages import ListingSummary
from domain.same_document import Description
from domain.secrecy import OPEN_LEVELS, Secrecy, strictest

_DESCRIPTION = (
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
_STATE = ("instance_id", "sources", "former_sources", "last_listed_at", "withdrawn", "unlisted_at")


class Listings:
    """Writes listings into the catalog."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def record(self, listing: Listing) -> ListingSummary:
        """Insert what is new, describe again what is known, keep what is available.

        A document that the listing no longer names is marked as withdrawn and counts only if it is stored. One
        that the listing has under another id, because another of its sources is current, keeps the id that it
        has here, and the level of a source that has closed it and is gone. One whose content the court has
        replaced is pending again, and its former content stays as a version. The same listing recorded twice
        changes nothing.
        """
        async with self._database.writing() as connection:
            await _write_process(connection, listing)
            instance_ids = await _write_instances(connection, listing)
            here = documents.c.process_number == listing.process_number
            known = set(await connection.scalars(select(documents.c.id).where(here)))
            renamed = await _known_under_other_ids(connection, listing, known)
            await replace_changed(connection, listing, renamed, known)
            closed_before = await _closed_sources(connection, listing.process_number) if known else {}
            position = await connection.scalar(select(func.max(documents.c.position)).where(here)) or 0
            rows: list[dict[str, Any]] = []
            new = 0
            for document in listing.documents:
                document_id = renamed.get(document.id, document.id)
                if document_id not in known:
                    position += 1
                    new += 1
                former = _former(closed_before.get(document_id, {}), document)
                instance_id = instance_ids[document.instance_key]
                rows.append(_row(listing, document, document_id, instance_id, position, former))
            if rows:
                statement = refreshing(
                    insert_into(connection, documents),
                    key=("process_number", "id"),
                    columns=(*_DESCRIPTION, *_STATE),
                )
                await connection.execute(statement, rows)
            # Not by which is later: clocks of two workers differ, and what was recorded last is what counts.
            await connection.execute(
                update(documents)
                .where(here, documents.c.last_listed_at != listing.listed_at, documents.c.withdrawn.is_(False))
                .values(withdrawn=True, unlisted_at=listing.listed_at)
            )
        return ListingSummary(total_documents=len(listing.documents), new_documents=new)

    async def mark_unlisted(self, number: str, at: datetime) -> None:
        """Note that the court shows nothing of a process any more. The next listing undoes it."""
        async with self._database.writing() as connection:
            await mark_unlisted(connection, number, at)


async def mark_unlisted(connection: AsyncConnection, number: str, at: datetime) -> None:
    """Note since when the court shows nothing of a process, unless it never did or this is known already."""
    await connection.execute(
        update(processes)
        .where(processes.c.number == number, processes.c.listed_at.is_not(None), processes.c.unlisted_at.is_(None))
        .values(unlisted_at=at)
    )


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
        "unlisted_at": None,
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
            "secrecy": instance.secrecy,
        }
        for instance in listing.instances
    ]
    if rows:
        statement = refreshing(
            insert_into(connection, instances),
            key=("process_number", "key"),
            columns=("degree", "name", "court_unit", "filed_at", "current", "secrecy"),
        )
        await connection.execute(statement, rows)
    result = await connection.execute(
        select(instances.c.key, instances.c.id).where(instances.c.process_number == listing.process_number)
    )
    return {row.key: row.id for row in result}


async def _known_under_other_ids(connection: AsyncConnection, listing: Listing, known: set[str]) -> dict[str, str]:
    listed = {document.id for document in listing.documents}
    new = [document for document in listing.documents if document.id not in known]
    if not new or known <= listed:
        return {}
    result = await connection.execute(
        select(
            documents.c.id,
            documents.c.origin_id,
            documents.c.sources,
            documents.c.name,
            documents.c.declared_size_bytes,
            documents.c.filed_at,
            instances.c.degree,
        )
        .join(instances, documents.c.instance_id == instances.c.id)
        .where(documents.c.process_number == listing.process_number)
        .order_by(documents.c.position)
    )
    degrees = {instance.key: instance.degree for instance in listing.instances}
    return known_ids(new, degrees, (_known(row) for row in result if row.id not in listed))


def _known(row: Row[*tuple[Any, ...]]) -> KnownDocument:
    return KnownDocument(
        ids=(row.id, *(origin["id"] for origin in row.sources)),
        degree=row.degree,
        origin_id=row.origin_id,
        sources=frozenset(origin["source"] for origin in row.sources if origin["source"] is not None),
        description=Description(row.name, row.declared_size_bytes, row.filed_at),
    )


async def _closed_sources(connection: AsyncConnection, number: str) -> dict[str, dict[str, Secrecy]]:
    """Return the sources, by their ids, that have closed a document so far, with their levels, by document."""
    result = await connection.execute(
        select(documents.c.id, documents.c.secrecy, documents.c.sources, documents.c.former_sources).where(
            documents.c.process_number == number, documents.c.secrecy.not_in(OPEN_LEVELS)
        )
    )
    closed: dict[str, dict[str, Secrecy]] = {}
    for row in result:
        own = row.secrecy
        levels = {origin["id"]: origin.get("secrecy") or own for origin in row.sources} or {row.id: own}
        closed[row.id] = {
            source_id: Secrecy(level)
            for source_id, level in (row.former_sources | levels).items()
            if level not in OPEN_LEVELS
        }
    return closed


def _former(closed: dict[str, Secrecy], document: ListedDocument) -> dict[str, Secrecy]:
    """Return those sources that had closed a document and do not feed it now: they have not opened it since."""
    present = {document.id, *(origin.id for origin in document.sources)}
    return {source_id: level for source_id, level in closed.items() if source_id not in present}


def _row(
    listing: Listing,
    document: ListedDocument,
    document_id: str,
    instance_id: int,
    position: int,
    former: dict[str, Secrecy],
) -> dict[str, Any]:
    return {
        **{name: getattr(document, name) for name in _DESCRIPTION},
        "secrecy": strictest([document.secrecy, *former.values()]),
        "former_sources": former,
        "process_number": listing.process_number,
        "id": document_id,
        "instance_id": instance_id,
        "sources": [write_origin(origin, document.secrecy) for origin in document.sources],
        # For a known document this value is not used: its position never changes.
        "position": position,
        "first_listed_at": listing.listed_at,
        "last_listed_at": listing.listed_at,
        "withdrawn": False,
        "unlisted_at": None,
        "status": DocumentStatus.PENDING,
        "failed_attempts": 0,
    }
