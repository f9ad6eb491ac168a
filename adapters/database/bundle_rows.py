"""Rows of bundles as domain objects, and what their documents say about who may have them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, and_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.database.bundle_tables import bundle_documents
from adapters.database.secrecy import LEVELS, UNLISTED_AT, strictest_level
from adapters.database.tables import documents, instances, processes
from domain.bundle_contents import Omission, OmissionReason
from domain.bundle_selection import BundleFormat
from domain.bundles import Bundle, BundleFailure, BundleProgress, BundleState
from domain.documents import StoredObject
from domain.errors import BundleFailureCode
from domain.secrecy import Secrecy, strictest
from domain.serializers import Json


@dataclass(frozen=True, slots=True)
class Guard:
    """What restricts a bundle now: its strictest document."""

    secrecy: Secrecy
    listed: bool


async def read_guard(connection: AsyncConnection, number: str, bundle_id: str) -> Guard:
    """Return what restricts a bundle. Also the documents that it only names count.

    A document that the catalog has lost counts as restricted: nobody knows what it was.
    """
    named = select(documents.c.id, documents.c.secrecy, *LEVELS, UNLISTED_AT).distinct()
    result = await connection.execute(
        named.with_only_columns(documents.c.secrecy, *LEVELS, UNLISTED_AT.is_(None).label("listed"))
        .select_from(
            bundle_documents.outerjoin(
                documents,
                and_(documents.c.process_number == number, documents.c.id == bundle_documents.c.document_id),
            )
            .outerjoin(instances, documents.c.instance_id == instances.c.id)
            .outerjoin(processes, documents.c.process_number == processes.c.number)
        )
        .where(bundle_documents.c.bundle_id == bundle_id, bundle_documents.c.document_id.is_not(None))
    )
    rows = result.all()
    if any(row.secrecy is None for row in rows):
        return Guard(Secrecy.UNRECOGNIZED, listed=False)
    return Guard(strictest(map(strictest_level, rows)), listed=all(row.listed for row in rows))


def to_bundle(row: Row[Any], guard: Guard) -> Bundle:
    """Convert a row of ``bundles``."""
    return Bundle(
        id=row.id,
        process_number=row.process_number,
        state=BundleState(row.state),
        format=BundleFormat(row.format),
        options=row.options,
        created_at=row.created_at,
        requested_at=row.requested_at,
        total_documents=row.total_documents,
        total_bytes=row.total_bytes,
        secrecy=guard.secrecy,
        listed=guard.listed,
        withheld=row.withheld,
        ended_at=row.ended_at,
        progress=BundleProgress(row.done_documents, row.done_pages, row.done_bytes),
        stored=_to_stored(row),
        pages=row.pages,
        omitted=tuple(map(_read_omission, row.omitted or ())),
        failure=BundleFailure(BundleFailureCode(row.failure_code), row.failure_answer or "")
        if row.failure_code
        else None,
    )


def write_omission(omission: Omission) -> Json:
    """Convert an omission to JSON for a bundle's row."""
    return {
        "position": omission.position,
        "document_id": omission.document_id,
        "name": omission.name,
        "reason": omission.reason.value,
        "text": omission.text,
    }


def _read_omission(stored: Json) -> Omission:
    return Omission(
        stored["position"], stored["document_id"], stored["name"], OmissionReason(stored["reason"]), stored["text"]
    )


def _to_stored(row: Row[Any]) -> StoredObject | None:
    if row.state != BundleState.READY:
        return None
    return StoredObject(row.object_key, row.size_bytes, row.sha256, BundleFormat(row.format).media_type)
