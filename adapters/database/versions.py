"""Document versions: when the court replaces a content under the same id, the former one is kept."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, replace
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.database.tables import document_versions, documents
from adapters.database.upserts import insert_into
from domain.documents import Document, DocumentStatus, FormerVersion, StoredObject
from domain.listings import DocumentOrigin, ListedDocument, Listing
from domain.secrecy import Secrecy

_ORIGIN_FIELDS = tuple(field.name for field in fields(DocumentOrigin))
_COPIED_COLUMNS = ("name", "filed_at", "object_key", "size_bytes", "sha256", "media_type", "stored_at")


def write_origin(origin: DocumentOrigin, secrecy: Secrecy) -> dict[str, Any]:
    """Convert a source to JSON for a document's row."""
    filed_at = origin.filed_at.isoformat() if origin.filed_at else None
    # `asdict` would copy each value.
    values = {name: getattr(origin, name) for name in _ORIGIN_FIELDS}
    return {**values, "secrecy": origin.secrecy or secrecy, "filed_at": filed_at}


def read_origin(stored: Mapping[str, Any]) -> DocumentOrigin:
    """Convert a source from a document's row. Rows written by older releases lack some fields."""
    level, filed_at = stored.get("secrecy"), stored.get("filed_at")
    return DocumentOrigin(
        id=stored["id"],
        source=stored.get("source"),
        codex_id=stored.get("codex_id"),
        secrecy=Secrecy(level) if level else None,
        binary_href=stored.get("binary_href"),
        text_href=stored.get("text_href"),
        media_type=stored.get("media_type"),
        size_bytes=stored.get("size_bytes"),
        filed_at=datetime.fromisoformat(filed_at) if filed_at else None,
    )


async def archive_replaced_contents(
    connection: AsyncConnection, listing: Listing, ids: Mapping[str, str], known: Iterable[str]
) -> int:
    """Keep replaced contents as former versions, and make their documents pending again.

    A content counts as replaced if a source that already fed the document now states another size or filing date.
    Different sources are not compared with each other: which of them is current may change.

    Args:
        connection: The transaction, before the listing is written to the documents.
        listing: The new listing.
        ids: The catalog's ids of documents that are listed under another id, by the listed ids.
        known: The ids of the process's documents in the catalog.

    Returns:
        The number of replaced contents.
    """
    listed = {ids.get(document.id, document.id): document for document in listing.documents}
    candidates = listed.keys() & set(known)
    if not candidates:
        return 0
    result = await connection.execute(
        select(documents).where(
            documents.c.process_number == listing.process_number, documents.c.status == DocumentStatus.AVAILABLE
        )
    )
    changed = [
        row
        for row in result
        if row.id in candidates and _is_replaced(map(read_origin, row.sources), listed[row.id])
    ]
    for row in changed:
        await connection.execute(
            insert_into(connection, document_versions),
            {
                "process_number": listing.process_number,
                "document_id": row.id,
                "version": row.version,
                "replaced_at": listing.listed_at,
                **{name: getattr(row, name) for name in _COPIED_COLUMNS},
            },
        )
        await connection.execute(
            update(documents)
            .where(documents.c.process_number == listing.process_number, documents.c.id == row.id)
            .values(
                status=DocumentStatus.PENDING,
                failed_attempts=0,
                version=row.version + 1,
                object_key=None,
                size_bytes=None,
                sha256=None,
                media_type=None,
                stored_at=None,
            )
        )
    return len(changed)


def _is_replaced(before: Iterable[DocumentOrigin], document: ListedDocument) -> bool:
    now = {origin.id: origin for origin in document.sources}
    return any(
        _differ(origin.size_bytes, now[origin.id].size_bytes) or _differ(origin.filed_at, now[origin.id].filed_at)
        for origin in before
        if origin.id in now
    )


def _differ(before: object, now: object) -> bool:
    # A value that only one of the listings states does not show a change.
    return before is not None and now is not None and before != now


async def delete_equal_versions(connection: AsyncConnection, number: str, document_id: str, sha256: str) -> None:
    """Delete former versions with the same bytes as the current one: only the description had changed."""
    await connection.execute(
        delete(document_versions).where(
            document_versions.c.process_number == number,
            document_versions.c.document_id == document_id,
            document_versions.c.sha256 == sha256,
        )
    )


async def attach_versions(connection: AsyncConnection, number: str, current: Sequence[Document]) -> list[Document]:
    """Return documents of a process with their former versions, latest first."""
    ids = [document.id for document in current if document.version > 1]
    if not ids:
        return list(current)
    result = await connection.execute(
        select(document_versions)
        .where(document_versions.c.process_number == number, document_versions.c.document_id.in_(ids))
        .order_by(document_versions.c.version.desc())
    )
    versions: dict[str, list[FormerVersion]] = {}
    for row in result:
        stored = StoredObject(row.object_key, row.size_bytes, row.sha256, row.media_type)
        former = FormerVersion(row.version, row.name, row.filed_at, stored, row.stored_at, row.replaced_at)
        versions.setdefault(row.document_id, []).append(former)
    return [replace(document, versions=tuple(versions.get(document.id, ()))) for document in current]
