"""Listings: merges the court's list of a process's documents into the catalog."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Row, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.database.document_matching import KnownDocument, match_known_documents
from adapters.database.engine import Database
from adapters.database.tables import documents, instances, processes
from adapters.database.tombstones import refuse_erased
from adapters.database.upserts import insert_into, on_conflict_overwrite
from adapters.database.versions import archive_replaced_contents, write_origin
from domain.document_search import search_text
from domain.documents import DocumentStatus
from domain.listings import ListedDocument, Listing
from domain.run_messages import ListingSummary
from domain.same_document import Description
from domain.secrecy import OPEN_LEVELS, Secrecy, strictest

_DESCRIPTION_COLUMNS = (
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
_LISTING_COLUMNS = (
    *("instance_id", "search_text", "sources", "former_sources"),
    *("last_listed_at", "withdrawn", "unlisted_at"),
)


class ListingRepository:
    """Writes listings to the catalog."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def record(self, listing: Listing) -> ListingSummary:
        """Insert new documents, update known ones, and keep what is available.

        - A document that is no longer listed is marked as withdrawn, and counts only if it is stored.
        - A document that is listed under another id, because another of its sources is current, keeps its id in
          the catalog. It also keeps the secrecy level of a source that had restricted it and is gone.
        - A document whose content the court has replaced is pending again. Its former content is kept as a version.

        Idempotent: recording the same listing twice changes nothing.

        Raises:
            ProcessErased: The process was erased, or is being erased. Nothing was changed.
        """
        async with self._database.writing() as connection:
            # This also locks the process's row.
            await _write_process(connection, listing)
            await refuse_erased(connection, listing.process_number)
            instance_ids = await _write_instances(connection, listing)
            of_process = documents.c.process_number == listing.process_number
            known = set(await connection.scalars(select(documents.c.id).where(of_process)))
            renamed = await _match_renamed_documents(connection, listing, known)
            await archive_replaced_contents(connection, listing, renamed, known)
            restricted = await _read_restricted_sources(connection, listing.process_number) if known else {}
            position = await connection.scalar(select(func.max(documents.c.position)).where(of_process)) or 0
            rows: list[dict[str, Any]] = []
            new = 0
            for document in listing.documents:
                document_id = renamed.get(document.id, document.id)
                if document_id not in known:
                    position += 1
                    new += 1
                former = _without_current_sources(restricted.get(document_id, {}), document)
                instance_id = instance_ids[document.instance_key]
                rows.append(_build_row(listing, document, document_id, instance_id, position, former))
            if rows:
                statement = on_conflict_overwrite(
                    insert_into(connection, documents),
                    key=("process_number", "id"),
                    columns=(*_DESCRIPTION_COLUMNS, *_LISTING_COLUMNS),
                )
                await connection.execute(statement, rows)
            # Compared by inequality, not by time: workers' clocks differ, and the listing recorded last wins.
            await connection.execute(
                update(documents)
                .where(
                    of_process, documents.c.last_listed_at != listing.listed_at, documents.c.withdrawn.is_(False)
                )
                .values(withdrawn=True, unlisted_at=listing.listed_at)
            )
        return ListingSummary(total_documents=len(listing.documents), new_documents=new)

    async def mark_unlisted(self, number: str, at: datetime) -> None:
        """Record that the court no longer shows a process. The next listing undoes it."""
        async with self._database.writing() as connection:
            await mark_unlisted(connection, number, at)


async def mark_unlisted(connection: AsyncConnection, number: str, at: datetime) -> None:
    """Record since when the court no longer shows a process.

    No effect on a process that was never listed or is marked already.
    """
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
    statement = on_conflict_overwrite(insert_into(connection, processes), key=("number",), columns=tuple(columns))
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
        statement = on_conflict_overwrite(
            insert_into(connection, instances),
            key=("process_number", "key"),
            columns=("degree", "name", "court_unit", "filed_at", "current", "secrecy"),
        )
        await connection.execute(statement, rows)
    result = await connection.execute(
        select(instances.c.key, instances.c.id).where(instances.c.process_number == listing.process_number)
    )
    return {row.key: row.id for row in result}


async def _match_renamed_documents(
    connection: AsyncConnection, listing: Listing, known: set[str]
) -> dict[str, str]:
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
    return match_known_documents(new, degrees, (_to_known_document(row) for row in result if row.id not in listed))


def _to_known_document(row: Row[*tuple[Any, ...]]) -> KnownDocument:
    return KnownDocument(
        ids=(row.id, *(origin["id"] for origin in row.sources)),
        degree=row.degree,
        origin_id=row.origin_id,
        sources=frozenset(origin["source"] for origin in row.sources if origin["source"] is not None),
        description=Description(row.name, row.declared_size_bytes, row.filed_at),
    )


async def _read_restricted_sources(connection: AsyncConnection, number: str) -> dict[str, dict[str, Secrecy]]:
    """Return the secrecy levels above public of all sources so far, by document id and source id."""
    result = await connection.execute(
        select(documents.c.id, documents.c.secrecy, documents.c.sources, documents.c.former_sources).where(
            documents.c.process_number == number, documents.c.secrecy.not_in(OPEN_LEVELS)
        )
    )
    restricted: dict[str, dict[str, Secrecy]] = {}
    for row in result:
        level = row.secrecy
        levels = {origin["id"]: origin.get("secrecy") or level for origin in row.sources} or {row.id: level}
        restricted[row.id] = {
            source_id: Secrecy(stated)
            for source_id, stated in (row.former_sources | levels).items()
            if stated not in OPEN_LEVELS
        }
    return restricted


def _without_current_sources(restricted: dict[str, Secrecy], document: ListedDocument) -> dict[str, Secrecy]:
    """Return the restricting sources that no longer feed a document: they never lifted their restriction."""
    current = {document.id, *(origin.id for origin in document.sources)}
    return {source_id: level for source_id, level in restricted.items() if source_id not in current}


def _build_row(
    listing: Listing,
    document: ListedDocument,
    document_id: str,
    instance_id: int,
    position: int,
    former: dict[str, Secrecy],
) -> dict[str, Any]:
    return {
        **{name: getattr(document, name) for name in _DESCRIPTION_COLUMNS},
        "secrecy": strictest([document.secrecy, *former.values()]),
        "former_sources": former,
        "process_number": listing.process_number,
        "id": document_id,
        "instance_id": instance_id,
        "search_text": search_text(document.name, document.type_name),
        "sources": [write_origin(origin, document.secrecy) for origin in document.sources],
        # Ignored for a known document: its position never changes.
        "position": position,
        "first_listed_at": listing.listed_at,
        "last_listed_at": listing.listed_at,
        "withdrawn": False,
        "unlisted_at": None,
        "status": DocumentStatus.PENDING,
        "failed_attempts": 0,
    }
