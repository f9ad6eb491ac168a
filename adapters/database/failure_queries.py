"""Failures over all processes: documents and processes that failed, newest first."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, and_, literal, literal_column, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.database.process_rows import to_failure
from adapters.database.secrecy import LEVELS, UNLISTED_AT, strictest_level
from adapters.database.tables import UtcDateTime, documents, instances, processes
from adapters.database.tombstones import is_blocked
from domain.documents import Failure
from domain.errors import FailureCode
from domain.secrecy import Secrecy

# A literal, not a bound parameter: a partial index is used only for a query with its exact condition.
_IS_FAILED = documents.c.status == literal_column("'failed'")


@dataclass(frozen=True, slots=True)
class FailedDocument:
    """A document that failed.

    Attributes:
        secrecy: The strictest level of its process, its instance, itself and all its sources.
        listed: Whether the court still shows it.
    """

    id: str
    name: str | None
    type_name: str | None
    filed_at: datetime | None
    secrecy: Secrecy
    listed: bool


@dataclass(frozen=True, slots=True)
class FailureEntry:
    """A failed document, or a failed process.

    Attributes:
        document: None if the process itself failed.
    """

    process_number: str
    court: str
    failure: Failure
    document: FailedDocument | None = None

    @property
    def sort_key(self) -> tuple[datetime, str, str]:
        """Key of keyset pagination: time of the failure, process number, and document id or an empty string."""
        return self.failure.failed_at, self.process_number, self.document.id if self.document else ""


async def list_failures(
    connection: AsyncConnection, after: tuple[datetime, str, str] | None, limit: int, code: FailureCode | None
) -> list[FailureEntry]:
    """Return a page of failed documents and failed processes, newest failure first.

    Args:
        connection: The transaction.
        after: The ``sort_key`` of the last entry of the page before. None for the first page.
        limit: Maximum number of entries.
        code: Only failures with this code. None means all.
    """
    pages = (
        await _list_failed_documents(connection, after, limit, code),
        await _list_failed_processes(connection, after, limit, code),
    )
    return list(heapq.merge(*pages, key=lambda entry: entry.sort_key, reverse=True))[:limit]


async def _list_failed_documents(
    connection: AsyncConnection, after: tuple[datetime, str, str] | None, limit: int, code: FailureCode | None
) -> list[FailureEntry]:
    key = documents.c.failed_at, documents.c.process_number, documents.c.id
    newest_first = [column.desc() for column in key]
    page = (
        select(documents.c.process_number, documents.c.id)
        .where(_IS_FAILED, documents.c.withdrawn.is_(False), ~is_blocked(documents.c.process_number))
        .order_by(*newest_first)
        .limit(limit)
    )
    if code is not None:
        page = page.where(documents.c.failure_code == code)
    if after is not None:
        failed_at, number, document_id = after
        page = page.where(tuple_(*key) < tuple_(_bind_datetime(failed_at), literal(number), literal(document_id)))
    # Joined only then: Postgres would make room for the processes and instances of all failed documents.
    chosen = page.subquery("chosen")
    statement = (
        select(
            documents.c.process_number,
            documents.c.id,
            documents.c.name,
            documents.c.type_name,
            documents.c.filed_at,
            documents.c.failed_attempts,
            documents.c.failure_code,
            documents.c.failure_answer,
            documents.c.failed_at,
            processes.c.court,
            documents.c.secrecy,
            *LEVELS,
            UNLISTED_AT,
        )
        .select_from(
            chosen.join(
                documents,
                and_(documents.c.process_number == chosen.c.process_number, documents.c.id == chosen.c.id),
            )
            .join(processes, documents.c.process_number == processes.c.number)
            .join(instances, documents.c.instance_id == instances.c.id)
        )
        .order_by(*newest_first)
    )
    return [
        FailureEntry(
            process_number=row.process_number,
            court=row.court,
            failure=to_failure(row, attempts=row.failed_attempts),
            document=FailedDocument(
                id=row.id,
                name=row.name,
                type_name=row.type_name,
                filed_at=row.filed_at,
                secrecy=strictest_level(row),
                listed=row.effective_unlisted_at is None,
            ),
        )
        for row in await connection.execute(statement)
    ]


async def _list_failed_processes(
    connection: AsyncConnection, after: tuple[datetime, str, str] | None, limit: int, code: FailureCode | None
) -> list[FailureEntry]:
    statement = (
        select(
            processes.c.number,
            processes.c.court,
            processes.c.failure_code,
            processes.c.failure_answer,
            processes.c.failed_at,
        )
        .where(processes.c.failure_code.is_not(None), ~is_blocked(processes.c.number))
        .order_by(processes.c.failed_at.desc(), processes.c.number.desc())
        .limit(limit)
    )
    if code is not None:
        statement = statement.where(processes.c.failure_code == code)
    if after is not None:
        failed_at, number, document_id = after
        key = tuple_(processes.c.failed_at, processes.c.number)
        last = tuple_(_bind_datetime(failed_at), literal(number))
        # A process comes after those of its documents that failed at the same moment.
        statement = statement.where(key <= last if document_id else key < last)
    return [
        FailureEntry(row.number, row.court, to_failure(row, attempts=1))
        for row in await connection.execute(statement)
    ]


def _bind_datetime(moment: datetime) -> ColumnElement[datetime]:
    return literal(moment, UtcDateTime())
