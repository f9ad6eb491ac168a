"""Documents: pages for readers, what is left to download, and the result of each download."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime

from sqlalchemy import ColumnElement, bindparam, case, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.database.batching import Batcher
from adapters.database.document_rows import SELECT_DOCUMENTS, SELECT_SOURCES, to_document, to_document_source
from adapters.database.engine import Database
from adapters.database.process_rows import RETRYABLE_CODES, is_counted_in
from adapters.database.tables import documents
from adapters.database.tombstones import find_storable, is_blocked, refuse_erased
from adapters.database.versions import attach_versions, delete_equal_versions
from domain.documents import Document, DocumentSource, DocumentStatus, StoredObject
from domain.errors import FailureCode, ProcessErased

# Downloads that are saved together end together, and the run handles their ends in one step. In a shorter window,
# those of a slow court come one by one: with 20 ms, the worker and Temporal need a tenth more CPU for each.
_SAVE_WINDOW_SECONDS = 0.05
_MARK_AVAILABLE = (
    update(documents)
    .where(
        documents.c.process_number == bindparam("of_process"),
        documents.c.id == bindparam("of_id"),
        # A worker that was presumed dead may store a content that the court has replaced since.
        documents.c.version == bindparam("of_version"),
        ~is_blocked(documents.c.process_number),
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


class DocumentRepository:
    """The table of documents."""

    def __init__(self, database: Database) -> None:
        self._database = database
        # Every download makes these two calls. They are batched because a transaction for each call would cost more
        # than the download.
        self._load_source = Batcher(self._load_sources)
        self._save_available = Batcher(self._save_all_available, window_seconds=_SAVE_WINDOW_SECONDS)

    async def page(
        self, number: str, *, after: int = 0, limit: int, status: DocumentStatus | None = None
    ) -> list[Document]:
        """Return up to ``limit`` documents after a position, ordered by position."""
        statement = SELECT_DOCUMENTS.where(is_counted_in(number), documents.c.position > after)
        if status is not None:
            statement = statement.where(documents.c.status == status)
        async with self._database.reading() as connection:
            result = await connection.execute(statement.order_by(documents.c.position).limit(limit))
            return await attach_versions(connection, number, [to_document(row) for row in result])

    async def get(self, number: str, document_id: str) -> Document | None:
        """Return one document. None if there is no such document.

        Raises:
            ProcessErased: Its process was erased, or is being erased.
        """
        statement = SELECT_DOCUMENTS.add_columns(is_blocked(documents.c.process_number).label("is_erased"))
        async with self._database.reading() as connection:
            row = (await connection.execute(statement.where(_is_document(number, document_id)))).one_or_none()
            if row is None or row.is_erased:
                await refuse_erased(connection, number)
            if row is None:
                return None
            [document] = await attach_versions(connection, number, [to_document(row)])
        return document

    async def find_unknown_ids(self, number: str, document_ids: Collection[str]) -> list[str]:
        """Return those of the ids that the process has no document for."""
        async with self._database.reading() as connection:
            result = await connection.execute(
                select(documents.c.id).where(is_counted_in(number), documents.c.id.in_(document_ids))
            )
            known = {row.id for row in result}
        return [document_id for document_id in document_ids if document_id not in known]

    async def list_pending(
        self, number: str, *, after: int, limit: int, document_ids: Collection[str] = ()
    ) -> list[tuple[str, int]]:
        """Return ids and positions of documents to download.

        Args:
            number: The process.
            after: Leave out documents up to this position.
            limit: Maximum number of documents.
            document_ids: Only these. Empty means all.
        """
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

    async def get_source(self, number: str, document_id: str) -> DocumentSource | None:
        """Return what a download needs to know about a document. None if there is no such document."""
        return await self._load_source((number, document_id))

    async def mark_available(
        self, number: str, document_id: str, stored: StoredObject, *, version: int = 1
    ) -> None:
        """Record that a document's verified bytes are in the store, and delete its former failure.

        Does nothing if the court has replaced this version since.

        Raises:
            ProcessErased: The process was erased meanwhile. The caller has to delete the object.
        """
        if not await self._save_available((number, document_id, stored, version)):
            raise ProcessErased(number, running=True, erased_at=datetime.now(UTC))

    async def _load_sources(self, keys: Sequence[tuple[str, str]]) -> list[DocumentSource | None]:
        ids_by_number: dict[str, list[str]] = {}
        for number, document_id in keys:
            ids_by_number.setdefault(number, []).append(document_id)
        sources: dict[tuple[str, str], DocumentSource] = {}
        async with self._database.reading() as connection:
            for number, ids in ids_by_number.items():
                for row in await connection.execute(SELECT_SOURCES, {"of_process": number, "of_ids": ids}):
                    sources[number, row.id] = to_document_source(number, row)
        return [sources.get(key) for key in keys]

    async def _save_all_available(self, marks: Sequence[tuple[str, str, StoredObject, int]]) -> list[bool]:
        """Record stored documents. Returns for each of them whether its process may be stored."""
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
            result = await connection.execute(_MARK_AVAILABLE, rows)
            numbers = {number for number, *_ in marks}
            # Drivers that do not count the rows of several statements return a negative number.
            storable = numbers if result.rowcount == len(rows) else await find_storable(connection, numbers)
            for number, document_id, stored, version in marks:
                if version > 1:
                    await delete_equal_versions(connection, number, document_id, stored.sha256)
        return [number in storable for number, *_ in marks]

    async def record_failed_attempt(
        self, number: str, document_id: str, code: FailureCode, answer: str, *, allowed_attempts: int
    ) -> int:
        """Count a failed attempt that is the document's own fault. The last allowed attempt makes it ``failed``.

        A document that is available stays available.

        Returns:
            The number of failed attempts, including this one.
        """
        attempts = documents.c.failed_attempts + 1
        async with self._database.writing() as connection:
            count = await connection.scalar(
                update(documents)
                .where(_is_document(number, document_id), documents.c.status != DocumentStatus.AVAILABLE)
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
        """Make failed documents pending again, whatever the failure, and return how many.

        Args:
            number: The process.
            document_ids: Only these. Empty means all.
        """
        async with self._database.writing() as connection:
            return await reopen_failed(connection, number, document_ids, permanent=True)


async def reopen_failed(
    connection: AsyncConnection, number: str, document_ids: Collection[str] = (), *, permanent: bool = False
) -> int:
    """Reset the attempts of a process's documents, and make failed documents pending again.

    Args:
        connection: The transaction.
        number: The process.
        document_ids: Only these. Empty means all.
        permanent: Include failures that usually are permanent. Each costs the court one request at most, because
            such a failure ends at the first attempt.

    Returns:
        How many failed documents are pending now.
    """
    selected = documents.c.process_number == number
    if document_ids:
        selected &= documents.c.id.in_(document_ids)
    await connection.execute(
        update(documents)
        .where(
            selected,
            documents.c.status == DocumentStatus.PENDING,
            documents.c.failed_attempts > 0,
        )
        .values(failed_attempts=0)
    )
    failed = selected & (documents.c.status == DocumentStatus.FAILED) & documents.c.withdrawn.is_(False)
    if not permanent:
        failed &= or_(documents.c.failure_code.is_(None), documents.c.failure_code.in_(RETRYABLE_CODES))
    result = await connection.execute(
        update(documents).where(failed).values(status=DocumentStatus.PENDING, failed_attempts=0)
    )
    return result.rowcount


def _is_document(number: str, document_id: str) -> ColumnElement[bool]:
    return (documents.c.process_number == number) & (documents.c.id == document_id)
