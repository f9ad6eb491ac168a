"""Contents that the court has replaced under the same id: the former ones stay, named as such."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.database.tables import document_versions, documents
from adapters.database.upserts import insert_into
from domain.documents import (
    Document,
    DocumentOrigin,
    DocumentStatus,
    FormerVersion,
    ListedDocument,
    Listing,
    StoredObject,
)
from domain.secrecy import Secrecy

_KEPT = ("name", "filed_at", "object_key", "size_bytes", "sha256", "media_type", "stored_at")


def write_origin(origin: DocumentOrigin, secrecy: Secrecy) -> dict[str, Any]:
    """Return a source as it is stored in a document's row."""
    filed_at = origin.filed_at.isoformat() if origin.filed_at else None
    return {**asdict(origin), "secrecy": origin.secrecy or secrecy, "filed_at": filed_at}


def read_origin(stored: Mapping[str, Any]) -> DocumentOrigin:
    """Return a source from a document's row. Rows of an older version state less."""
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


async def replace_changed(
    connection: AsyncConnection, listing: Listing, ids: Mapping[str, str], known: Iterable[str]
) -> int:
    """Make documents pending again whose content the court has replaced, and keep the former content as a version.

    A content is another one if a source that fed the document before states another size or another filing now.
    What two different sources state is not compared: which of them is current may change.

    Args:
        connection: The transaction, before the listing's descriptions are written.
        listing: What the court lists now.
        ids: The catalog's ids of listed documents that have another one there, by the ids in the listing.
        known: The ids of the process's documents in the catalog.

    Returns:
        How many were replaced.
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
        row for row in result if row.id in candidates and _is_another(map(read_origin, row.sources), listed[row.id])
    ]
    for row in changed:
        await connection.execute(
            insert_into(connection, document_versions),
            {
                "process_number": listing.process_number,
                "document_id": row.id,
                "version": row.version,
                "replaced_at": listing.listed_at,
                **{name: getattr(row, name) for name in _KEPT},
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


def _is_another(before: Iterable[DocumentOrigin], document: ListedDocument) -> bool:
    now = {origin.id: origin for origin in document.sources}
    return any(
        _differ(origin.size_bytes, now[origin.id].size_bytes) or _differ(origin.filed_at, now[origin.id].filed_at)
        for origin in before
        if origin.id in now
    )


def _differ(before: object, now: object) -> bool:
    # What is stated only once says nothing of a change.
    return before is not None and now is not None and before != now


async def forget_equal_version(connection: AsyncConnection, number: str, document_id: str, sha256: str) -> None:
    """Forget former versions with the same bytes as the present one: only the description had changed."""
    await connection.execute(
        delete(document_versions).where(
            document_versions.c.process_number == number,
            document_versions.c.document_id == document_id,
            document_versions.c.sha256 == sha256,
        )
    )


async def with_versions(connection: AsyncConnection, number: str, found: Sequence[Document]) -> list[Document]:
    """Return documents of a process with their former versions, the latest first."""
    ids = [document.id for document in found if document.version > 1]
    if not ids:
        return list(found)
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
    return [replace(document, versions=tuple(versions.get(document.id, ()))) for document in found]
