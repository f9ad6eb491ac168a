"""Documents: which are missing, what became of each, and pages of them for readers."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, bindparam, case, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.database.engine import Database
from adapters.database.group_commit import GroupCommit
from adapters.database.processes import RETRYABLE_CODES, counted
from adapters.database.secrecy import LEVELS, UNLISTED_AT, level_of
from adapters.database.tables import documents, instances, processes
from adapters.database.versions import forget_equal_version, read_origin, with_versions
from domain.documents import (
    Document,
    DocumentOrigin,
    DocumentSource,
    DocumentStatus,
    Failure,
    Instance,
    StoredObject,
    content_offers,
)
from domain.errors import FailureCode
from domain.secrecy import Secrecy

_WHOLE = documents.join(instances, documents.c.instance_id == instances.c.id).join(
    processes, documents.c.process_number == processes.c.number
)
_READ = select(
    *(column for column in documents.c if column is not documents.c.former_sources),
    instances.c.key.label("instance_key"),
    instances.c.degree.label("instance_degree"),
    instances.c.name.label("instance_name"),
    instances.c.court_unit.label("instance_court_unit"),
    instances.c.filed_at.label("instance_filed_at"),
    instances.c.current.label("instance_current"),
    *LEVELS,
    UNLISTED_AT,
).select_from(_WHOLE)


_SOURCES = select(
    documents.c.id,
    documents.c.position,
    documents.c.status,
    documents.c.name,
    documents.c.binary_href,
    documents.c.text_href,
    documents.c.declared_media_type,
    documents.c.declared_size_bytes,
    documents.c.sources,
    documents.c.version,
    documents.c.failed_attempts,
).where(
    documents.c.process_number == bindparam("of_process"),
    documents.c.id.in_(bindparam("of_ids", expanding=True)),
)
_MARK_AVAILABLE = (
    update(documents)
    .where(
        documents.c.process_number == bindparam("of_process"),
        documents.c.id == bindparam("of_id"),
        # What a worker stores that was given up for dead may be of a content that is listed no more.
        documents.c.version == bindparam("of_version"),
    )
    .values(
        status=DocumentStatus.AVAILABLE,
        object_key=bindparam("object_key"),
        size_bytes=bindparam("size_bytes"),
        sha256=bindparam("sha256"),
        media_type=bindparam("media_type"),
        stored_at=bindparam("stored_at"),
        failure_code=None,
        failure_answer=None,
        failed_at=None,
    )
)


class Documents:
    """The documents' table."""

    def __init__(self, database: Database) -> None:
        self._database = database
        # What every download asks and tells goes in groups: a transaction of its own for each would cost more
        # than the download.
        self._sources = GroupCommit(self._read_sources)
        self._marks = GroupCommit(self._mark_available)

    async def page(
        self, number: str, *, after: int = 0, limit: int, status: DocumentStatus | None = None
    ) -> list[Document]:
        """Up to ``limit`` documents behind a position, in the order of their positions."""
        statement = _READ.where(counted(number), documents.c.position > after)
        if status is not None:
            statement = statement.where(documents.c.status == status)
        async with self._database.reading() as connection:
            result = await connection.execute(statement.order_by(documents.c.position).limit(limit))
            return await with_versions(connection, number, [_document(row) for row in result])

    async def get(self, number: str, document_id: str) -> Document | None:
        """One document, or none."""
        async with self._database.reading() as connection:
            row = (await connection.execute(_READ.where(_is(number, document_id)))).one_or_none()
            found = await with_versions(connection, number, [_document(row)] if row else [])
        return found[0] if found else None

    async def unknown(self, number: str, document_ids: Collection[str]) -> list[str]:
        """Those of the ids that are no document's of the process."""
        async with self._database.reading() as connection:
            result = await connection.execute(
                select(documents.c.id).where(counted(number), documents.c.id.in_(document_ids))
            )
            found = {row.id for row in result}
        return [document_id for document_id in document_ids if document_id not in found]

    async def pending(
        self, number: str, *, after: int, limit: int, document_ids: Collection[str] = ()
    ) -> list[tuple[str, int]]:
        """Ids and positions of documents to download, behind a position; only of those named, if any are."""
        async with self._database.reading() as connection:
            result = await connection.execute(
                select(documents.c.id, documents.c.position)
                .where(
                    documents.c.process_number == number,
                    documents.c.status == DocumentStatus.PENDING,
                    documents.c.withdrawn.is_(False),
                    documents.c.position > after,
                    *([documents.c.id.in_(document_ids)] if document_ids else []),
                )
                .order_by(documents.c.position)
                .limit(limit)
            )
            return [(row.id, row.position) for row in result]

    async def source(self, number: str, document_id: str) -> DocumentSource | None:
        """What a download needs to know of one document, or none if there is no such document."""
        return await self._sources((number, document_id))

    async def mark_available(
        self, number: str, document_id: str, stored: StoredObject, *, version: int = 1
    ) -> None:
        """Record that a document's verified bytes are in the store. Its former failures are forgotten.

        A version that the court lists no more is not recorded.
        """
        await self._marks((number, document_id, stored, version))

    async def _read_sources(self, asked: Sequence[tuple[str, str]]) -> list[DocumentSource | None]:
        ids_by_number: dict[str, list[str]] = {}
        for number, document_id in asked:
            ids_by_number.setdefault(number, []).append(document_id)
        found: dict[tuple[str, str], DocumentSource] = {}
        async with self._database.reading() as connection:
            for number, ids in ids_by_number.items():
                for row in await connection.execute(_SOURCES, {"of_process": number, "of_ids": ids}):
                    found[number, row.id] = _source(number, row)
        return [found.get(each) for each in asked]

    async def _mark_available(self, marks: Sequence[tuple[str, str, StoredObject, int]]) -> list[None]:
        now = datetime.now(UTC)
        rows = [
            {
                "of_process": number,
                "of_id": document_id,
                "of_version": version,
                "object_key": stored.key,
                "size_bytes": stored.size_bytes,
                "sha256": stored.sha256,
                "media_type": stored.media_type,
                "stored_at": now,
            }
            for number, document_id, stored, version in marks
        ]
        async with self._database.writing() as connection:
            await connection.execute(_MARK_AVAILABLE, rows)
            for number, document_id, stored, version in marks:
                if version > 1:
                    await forget_equal_version(connection, number, document_id, stored.sha256)
        return [None] * len(rows)

    async def record_failed_attempt(
        self, number: str, document_id: str, code: FailureCode, answer: str, *, allowed_attempts: int
    ) -> int:
        """Count an attempt that failed by the document's own fault; the last one allowed makes it ``failed``.

        Returns:
            How many attempts have failed now, this one included. A document that is available stays so.
        """
        attempts = documents.c.failed_attempts + 1
        async with self._database.writing() as connection:
            count = await connection.scalar(
                update(documents)
                .where(_is(number, document_id), documents.c.status != DocumentStatus.AVAILABLE)
                .values(
                    failed_attempts=attempts,
                    status=case(
                        (attempts >= allowed_attempts, DocumentStatus.FAILED),
                        else_=documents.c.status,
                    ),
                    failure_code=code,
                    failure_answer=answer,
                    failed_at=datetime.now(UTC),
                )
                .returning(documents.c.failed_attempts)
            )
        return count or 0

    async def retry_failed(self, number: str, document_ids: Collection[str] = ()) -> int:
        """Make every failed document pending again, whatever it failed for, or those named; return how many."""
        async with self._database.writing() as connection:
            return await reopen_failed(connection, number, document_ids, permanent=True)


async def reopen_failed(
    connection: AsyncConnection, number: str, document_ids: Collection[str] = (), *, permanent: bool = False
) -> int:
    """Give documents of a process their full attempts again, and make those pending that have failed.

    Args:
        connection: the transaction.
        number: the process.
        document_ids: only these. Empty means all.
        permanent: also what failed for a reason that usually stays. Each costs the court one request at most, since
            such a failure ends at the first attempt.

    Returns:
        How many had failed.
    """
    these = documents.c.process_number == number
    if document_ids:
        these &= documents.c.id.in_(document_ids)
    await connection.execute(
        update(documents)
        .where(
            these,
            documents.c.status == DocumentStatus.PENDING,
            documents.c.failed_attempts > 0,
        )
        .values(failed_attempts=0)
    )
    failed = these & (documents.c.status == DocumentStatus.FAILED) & documents.c.withdrawn.is_(False)
    if not permanent:
        failed &= or_(documents.c.failure_code.is_(None), documents.c.failure_code.in_(RETRYABLE_CODES))
    result = await connection.execute(
        update(documents).where(failed).values(status=DocumentStatus.PENDING, failed_attempts=0)
    )
    return result.rowcount


def _source(number: str, row: Row[*tuple[Any, ...]]) -> DocumentSource:
    described = DocumentOrigin(
        row.id,
        binary_href=row.binary_href,
        text_href=row.text_href,
        media_type=row.declared_media_type,
        size_bytes=row.declared_size_bytes,
    )
    return DocumentSource(
        process_number=number,
        id=row.id,
        position=row.position,
        status=DocumentStatus(row.status),
        name=row.name,
        offers=content_offers(described, map(read_origin, row.sources)),
        failed_attempts=row.failed_attempts,
        version=row.version,
    )


def _is(number: str, document_id: str) -> ColumnElement[bool]:
    return (documents.c.process_number == number) & (documents.c.id == document_id)


def _document(row: Row[*tuple[Any, ...]]) -> Document:
    status = DocumentStatus(row.status)
    return Document(
        id=row.id,
        position=row.position,
        status=status,
        name=row.name,
        type_name=row.type_name,
        filed_at=row.filed_at,
        instance=Instance(
            key=row.instance_key,
            degree=row.instance_degree,
            name=row.instance_name,
            court_unit=row.instance_court_unit,
            filed_at=row.instance_filed_at,
            current=row.instance_current,
            secrecy=Secrecy(row.instance_secrecy),
        ),
        secrecy=level_of(row),
        pages=row.pages,
        sources=tuple(DocumentOrigin(origin["id"], origin["source"], origin["codex_id"]) for origin in row.sources),
        stored=StoredObject(row.object_key, row.size_bytes, row.sha256, row.media_type)
        if status is DocumentStatus.AVAILABLE
        else None,
        failure=Failure(FailureCode(row.failure_code), row.failure_answer or "", row.failed_attempts, row.failed_at)
        if status is DocumentStatus.FAILED
        else None,
        unlisted_at=row.shown_until,
        version=row.version,
    )
