"""Listings: merges the court's list of a process's documents into the catalog."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.database.case_recording import map_document_ids, record_movements, record_parties, record_related
from adapters.database.changes import append_changes
from adapters.database.document_changes import (
    confirm_unlisted,
    find_changes,
    read_known_documents,
    restore_replaced,
)
from adapters.database.document_matching import KnownDocument, match_known_documents
from adapters.database.engine import Database
from adapters.database.instance_recording import (
    find_instance_changes,
    read_instance_levels,
    read_process,
    report_levels,
    write_instances,
    write_process,
)
from adapters.database.settling import settle_added
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
    *("last_listed_at", "withdrawn", "unlisted_at", "unlisting_reported_at"),
)


class ListingRepository:
    """Writes listings to the catalog."""

    def __init__(self, database: Database) -> None:
        self._database = database
        # Whether the names of parties and lawyers are stored: the setting AUTOS_STORE_PARTIES.
        self.are_parties_stored = True

    async def record(self, listing: Listing) -> ListingSummary:
        """Insert new documents, update known ones, and keep what is available. Record what the listing changes.

        - A document that is no longer listed is marked as withdrawn, and counts only if it is stored.
        - A document that is listed under another id, because another of its sources is current or the court has
          indexed it again, keeps its id in the catalog. It also keeps the secrecy level of another source that had
          restricted it and is gone.
        - A document whose content the court has replaced is pending again. Its former content is kept as a version.

        Idempotent: recording the same listing twice changes nothing.

        Raises:
            ProcessErased: The process was erased, or is being erased. Nothing was changed.
        """
        async with self._database.writing() as connection:
            # This also locks the process's row, unless the listing is its first.
            before = await read_process(connection, listing.process_number)
            await write_process(connection, listing, before)
            await refuse_erased(connection, listing.process_number)
            await settle_added(connection, listing.process_number)
            levels = find_instance_changes(listing, await read_instance_levels(connection, listing.process_number))
            instance_ids = await write_instances(connection, listing)
            known = await read_known_documents(connection, listing.process_number)
            renamed = await _match_renamed_documents(connection, listing, known)
            rows = await _write_documents(connection, listing, instance_ids, known, renamed)
            document_ids = map_document_ids(listing, renamed, known)
            movements = await record_movements(connection, listing, instance_ids, document_ids)
            await record_parties(connection, listing, instance_ids, are_stored=self.are_parties_stored)
            await record_related(connection, listing, instance_ids)
            # The first listing is the baseline.
            if before is not None and before.listed_at is not None:
                changes = [
                    *report_levels(listing, before, levels),
                    *find_changes(known, rows, set(renamed.values()), levels.values()),
                    *await confirm_unlisted(connection, listing, before.changes_since or listing.listed_at),
                    *(movements if before.movements_since is not None else ()),
                ]
                await append_changes(connection, listing.process_number, changes, seen_at=listing.listed_at)
        new = sum(row["id"] not in known for row in rows)
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


async def _write_documents(
    connection: AsyncConnection,
    listing: Listing,
    instance_ids: Mapping[str, int],
    known: Mapping[str, Row[*tuple[Any, ...]]],
    renamed: Mapping[str, str],
) -> list[dict[str, Any]]:
    """Write the documents of a listing, and mark those that it lacks as withdrawn. Returns the written rows."""
    of_process = documents.c.process_number == listing.process_number
    await archive_replaced_contents(connection, listing, renamed, known)
    restricted = await _read_restricted_sources(connection, listing.process_number) if known else {}
    position = await connection.scalar(select(func.max(documents.c.position)).where(of_process)) or 0
    rows: list[dict[str, Any]] = []
    for document in listing.documents:
        document_id = renamed.get(document.id, document.id)
        if document_id not in known:
            position += 1
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
        .where(of_process, documents.c.last_listed_at != listing.listed_at, documents.c.withdrawn.is_(False))
        .values(withdrawn=True, unlisted_at=listing.listed_at)
    )
    await restore_replaced(connection, listing.process_number, known, {row["id"] for row in rows})
    return rows


async def _match_renamed_documents(
    connection: AsyncConnection, listing: Listing, known: Mapping[str, Row[*tuple[Any, ...]]]
) -> dict[str, str]:
    listed = {document.id for document in listing.documents}
    new = [document for document in listing.documents if document.id not in known]
    if not new or known.keys() <= listed:
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


@dataclass(frozen=True, slots=True)
class _Restriction:
    """A secrecy level above public, and the system that states it. None if that is not known."""

    level: Secrecy
    system: int | None = None


async def _read_restricted_sources(connection: AsyncConnection, number: str) -> dict[str, dict[str, _Restriction]]:
    """Return what restricts each document, by the document's id and the source's."""
    result = await connection.execute(
        select(documents.c.id, documents.c.secrecy, documents.c.sources, documents.c.former_sources).where(
            documents.c.process_number == number, documents.c.secrecy.not_in(OPEN_LEVELS)
        )
    )
    restricted: dict[str, dict[str, _Restriction]] = {}
    for row in result:
        sources = {source_id: _Restriction(Secrecy(stated)) for source_id, stated in row.former_sources.items()}
        for origin in row.sources or [{"id": row.id}]:
            level = Secrecy(origin.get("secrecy") or row.secrecy)
            sources[origin["id"]] = _Restriction(level, origin.get("source"))
        restricted[row.id] = {
            source_id: restriction for source_id, restriction in sources.items() if not restriction.level.is_open
        }
    return restricted


def _without_current_sources(
    restricted: Mapping[str, _Restriction], document: ListedDocument
) -> dict[str, Secrecy]:
    """Return the restricting sources that no longer feed a document: they never lifted their restriction.

    A system that lists the document under another id now has said itself what the level is.
    """
    current = {document.id, *(origin.id for origin in document.sources)}
    systems = {origin.source for origin in document.sources} - {None}
    return {
        source_id: restriction.level
        for source_id, restriction in restricted.items()
        if source_id not in current and restriction.system not in systems
    }


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
        "unlisting_reported_at": None,
        "status": DocumentStatus.PENDING,
        "failed_attempts": 0,
    }
