"""The catalog as an audit reads and mends it, and how audits have ended."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, delete, exists, func, select, tuple_, update

from adapters.database.audit_tables import audits
from adapters.database.engine import Database
from adapters.database.erasure_tables import erasures
from adapters.database.tables import document_versions, documents, processes
from adapters.database.upserts import insert_into
from domain.audit import AuditedDocument, FindingKind, StoredContent
from domain.audit_messages import AuditCounts, AuditRecord
from domain.documents import DocumentStatus

_ROWS_PER_PAGE = 500
_KEPT_AUDITS = 100
# How far the clocks of two services may be apart.
_CLOCK_TOLERANCE = timedelta(hours=1)

_SELECT_ROWS = (
    select(
        documents.c.process_number,
        documents.c.id,
        documents.c.status,
        documents.c.version,
        documents.c.withdrawn,
        documents.c.object_key,
        documents.c.size_bytes,
        documents.c.sha256,
        documents.c.stored_at,
        processes.c.unlisted_at,
    )
    .select_from(documents.join(processes, documents.c.process_number == processes.c.number))
    .order_by(documents.c.process_number, documents.c.id)
)


class AuditRepository:
    """Rows with their stored contents, the way back to ``pending``, and the table of audits."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def stored_bytes(self, process_number: str | None = None) -> int:
        """Return the size of all current contents together, or of one process's."""
        condition = documents.c.status == DocumentStatus.AVAILABLE
        if process_number is not None:
            condition &= documents.c.process_number == process_number
        async with self._database.reading() as connection:
            total = await connection.scalar(select(func.sum(documents.c.size_bytes)).where(condition))
        return int(total or 0)

    async def iterate(
        self, *, after: tuple[str, str] = ("", ""), process_number: str | None = None
    ) -> AsyncGenerator[AuditedDocument]:
        """Yield all documents in the order of process number and id, 500 a transaction.

        Args:
            after: Leave out documents up to this process number and id.
            process_number: Only this process's. None means all.
        """
        while page := await self.page(after=after, process_number=process_number):
            for document in page:
                yield document
            if len(page) < _ROWS_PER_PAGE:
                return
            after = (page[-1].process_number, page[-1].id)

    async def page(
        self, *, after: tuple[str, str] = ("", ""), process_number: str | None = None, limit: int = _ROWS_PER_PAGE
    ) -> list[AuditedDocument]:
        """Return the next documents after a process number and an id."""
        # The second condition follows from the first. Without it, Postgres merges from the first process of all.
        condition: ColumnElement[bool] = and_(
            tuple_(documents.c.process_number, documents.c.id) > after, processes.c.number >= after[0]
        )
        if process_number is not None:
            condition = (documents.c.process_number == process_number) & (documents.c.id > after[1])
        async with self._database.reading() as connection:
            rows = (await connection.execute(_SELECT_ROWS.where(condition).limit(limit))).all()
            if not rows:
                return []
            first, last = rows[0], rows[-1]
            place = tuple_(document_versions.c.process_number, document_versions.c.document_id)
            result = await connection.execute(
                select(document_versions)
                .where(
                    place >= (first.process_number, first.id),
                    place <= (last.process_number, last.id),
                )
                .order_by(document_versions.c.version)
            )
            versions: dict[tuple[str, str], list[Any]] = {}
            for version in result:
                versions.setdefault((version.process_number, version.document_id), []).append(version)
        return [_to_audited(row, versions.get((row.process_number, row.id), ())) for row in rows]

    async def get(self, process_number: str, document_id: str) -> AuditedDocument | None:
        """Return one document as it is now. None if there is no such row."""
        async with self._database.reading() as connection:
            row = (
                await connection.execute(
                    _SELECT_ROWS.where(documents.c.process_number == process_number, documents.c.id == document_id)
                )
            ).one_or_none()
            if row is None:
                return None
            versions = await connection.execute(
                select(document_versions)
                .where(
                    document_versions.c.process_number == process_number,
                    document_versions.c.document_id == document_id,
                )
                .order_by(document_versions.c.version)
            )
            return _to_audited(row, versions.all())

    async def is_being_erased(self, process_number: str) -> bool:
        """Return whether an erasure of a process runs. What is gone of it is meant to be gone."""
        running = exists().where(erasures.c.blocked_number == process_number, erasures.c.completed_at.is_(None))
        async with self._database.reading() as connection:
            return bool(await connection.scalar(select(running)))

    async def reopen(self, document: AuditedDocument, content: StoredContent) -> bool:
        """Make a document pending again whose stored content is missing or damaged.

        Args:
            document: The document.
            content: Its current content, as it was when it was found to be missing or damaged.

        Returns:
            False if the row is not as it was then: a run has stored it again, or the court has replaced it.
        """
        async with self._database.writing() as connection:
            result = await connection.execute(
                update(documents)
                .where(
                    documents.c.process_number == document.process_number,
                    documents.c.id == document.id,
                    documents.c.status == DocumentStatus.AVAILABLE,
                    documents.c.version == content.version,
                    documents.c.object_key == content.key,
                    documents.c.sha256 == content.sha256,
                    documents.c.stored_at == content.stored_at,
                )
                .values(
                    status=DocumentStatus.PENDING,
                    failed_attempts=0,
                    failure_code=None,
                    failure_answer=None,
                    failed_at=None,
                    object_key=None,
                    size_bytes=None,
                    sha256=None,
                    media_type=None,
                    stored_at=None,
                )
            )
        return result.rowcount == 1

    async def record(self, record: AuditRecord) -> None:
        """Record how an audit of the whole bucket has ended. The last hundred are kept."""
        counts = record.counts
        values = {
            "id": record.id,
            "started_at": record.started_at,
            "ended_at": datetime.now(UTC),
            "contents": counts.contents,
            "objects": counts.objects,
            "objects_read": counts.objects_read,
            "bytes_read": counts.bytes_read,
            "found": _write_kinds(counts.found),
            "remaining": _write_kinds(record.remaining),
        }
        async with self._database.writing() as connection:
            await connection.execute(
                insert_into(connection, audits).values(**values).on_conflict_do_nothing(index_elements=["id"])
            )
            kept = select(audits.c.id).order_by(audits.c.ended_at.desc()).limit(_KEPT_AUDITS)
            await connection.execute(delete(audits).where(audits.c.id.not_in(kept)))

    async def last(self) -> AuditRecord | None:
        """Return the last audit of the whole bucket. None if there was none."""
        # One of a machine whose clock was ahead would be the last one until that time has come.
        latest = datetime.now(UTC) + _CLOCK_TOLERANCE
        past = select(audits).where(audits.c.started_at <= latest, audits.c.ended_at <= latest)
        async with self._database.reading() as connection:
            row = (await connection.execute(past.order_by(audits.c.ended_at.desc()).limit(1))).one_or_none()
        if row is None:
            return None
        counts = AuditCounts(row.contents, row.objects, row.objects_read, row.bytes_read, _read_kinds(row.found))
        return AuditRecord(row.id, row.started_at, counts, _read_kinds(row.remaining))


def _to_audited(row: Row[*tuple[Any, ...]], versions: Sequence[Any]) -> AuditedDocument:
    contents = [
        StoredContent(each.object_key, each.size_bytes, each.sha256, each.stored_at, each.version, restorable=False)
        for each in versions
    ]
    if row.status == DocumentStatus.AVAILABLE:
        restorable = not row.withdrawn and row.unlisted_at is None
        contents.append(
            StoredContent(row.object_key, row.size_bytes, row.sha256, row.stored_at, row.version, restorable)
        )
    return AuditedDocument(row.process_number, row.id, tuple(contents))


def _write_kinds(amounts: Mapping[FindingKind, int]) -> dict[str, int]:
    return {kind.value: amount for kind, amount in amounts.items() if amount}


def _read_kinds(stored: Mapping[str, int]) -> dict[FindingKind, int]:
    # A later release may have recorded kinds that this one does not know.
    known = {kind.value for kind in FindingKind}
    return {FindingKind(kind): amount for kind, amount in stored.items() if kind in known}
