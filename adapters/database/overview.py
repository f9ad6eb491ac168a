"""What is there and what failed, over all processes, the newest first."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Row, Table, case, func, literal, literal_column, or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.database.client_tables import batches
from adapters.database.engine import Database
from adapters.database.processes import RETRYABLE_CODES, to_run
from adapters.database.secrecy import LEVELS, UNLISTED_AT, level_of
from adapters.database.tables import UtcDateTime, documents, instances, processes, runs
from domain.completeness import Completeness
from domain.documents import DocumentStatus, Failure
from domain.errors import FailureCode
from domain.processes import Process, Run
from domain.secrecy import Secrecy

_LATEST_RUN = (
    select(runs.c.id)
    .where(runs.c.process_number == processes.c.number)
    .order_by(runs.c.started_at.desc())
    .limit(1)
    .scalar_subquery()
)
# Written out, not bound: a partial index serves only those who name its condition as it stands there.
_FAILED = documents.c.status == literal_column("'failed'")


@dataclass(frozen=True, slots=True)
class KnownProcess:
    """A process, and since when it is known."""

    created_at: datetime
    process: Process


@dataclass(frozen=True, slots=True)
class FailedDocument:
    """A document that failed.

    Attributes:
        secrecy: the strictest level of its process, its instance, itself and all its sources.
        listed: whether the court still shows it.
    """

    id: str
    name: str | None
    type_name: str | None
    filed_at: datetime | None
    secrecy: Secrecy
    listed: bool


@dataclass(frozen=True, slots=True)
class KnownFailure:
    """A document that failed, or a process.

    Attributes:
        document: none if the process itself failed.
    """

    process_number: str
    court: str
    failure: Failure
    document: FailedDocument | None = None

    @property
    def place(self) -> tuple[datetime, str, str]:
        """Where it stands among all failures."""
        return self.failure.failed_at, self.process_number, self.document.id if self.document else ""


class Overview:
    """Pages over all processes."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def processes(
        self, *, after: tuple[datetime, str] | None = None, limit: int, court: str | None = None
    ) -> list[KnownProcess]:
        """Processes with their counts and latest runs, the newest first, all as of one moment.

        Args:
            after: since when the last one of the page before is known, and its number.
            limit: how many, at most.
            court: only those of this court, by its acronym.
        """
        statement = select(
            processes.c.number,
            processes.c.court,
            processes.c.listed_at,
            processes.c.listed_documents,
            processes.c.failure_code,
            processes.c.failure_answer,
            processes.c.failed_at,
            processes.c.created_at,
            _LATEST_RUN.label("latest_run"),
        ).order_by(processes.c.created_at.desc(), processes.c.number.desc())
        if court is not None:
            statement = statement.where(processes.c.court == court)
        if after is not None:
            moment, number = after
            place = tuple_(processes.c.created_at, processes.c.number)
            statement = statement.where(place < tuple_(_bound(moment), literal(number)))
        async with self._database.reading() as connection:
            rows = (await connection.execute(statement.limit(limit))).all()
            counts = await _counts(connection, [row.number for row in rows])
            latest = await _runs(connection, [row.latest_run for row in rows if row.latest_run is not None])
        return [
            KnownProcess(
                created_at=row.created_at,
                process=Process(
                    number=row.number,
                    court=row.court,
                    listed_at=row.listed_at,
                    listed_documents=row.listed_documents or 0,
                    failure=_failure(row, attempts=1) if row.failure_code is not None else None,
                    documents=counts.get(row.number, Completeness()),
                    latest_run=latest.get(row.latest_run),
                ),
            )
            for row in rows
        ]

    async def failures(
        self, *, after: tuple[datetime, str, str] | None = None, limit: int, code: FailureCode | None = None
    ) -> list[KnownFailure]:
        """Documents that failed and are still listed, and processes that failed, the newest failure first.

        Args:
            after: the place of the last one of the page before.
            limit: how many, at most.
            code: only those that failed for this reason.
        """
        async with self._database.reading() as connection:
            pages = (
                await _failed_documents(connection, after, limit, code),
                await _failed_processes(connection, after, limit, code),
            )
        return list(heapq.merge(*pages, key=lambda known: known.place, reverse=True))[:limit]

    async def open_batches(self) -> int:
        """How many batches have not come to their end."""
        async with self._database.reading() as connection:
            statement = select(func.count()).select_from(batches).where(batches.c.ended_at.is_(None))
            return await connection.scalar(statement) or 0

    async def unrecognized_levels(self) -> dict[str, int]:
        """Count the processes, instances and documents whose level of secrecy was stated but not understood."""
        tables = (processes, instances, documents)
        async with self._database.reading() as connection:
            counts = (
                await connection.execute(
                    select(
                        *(
                            select(func.count()).select_from(table).where(_unrecognized(table)).scalar_subquery()
                            for table in tables
                        )
                    )
                )
            ).one()
        return {table.name: count for table, count in zip(tables, counts, strict=True)}


async def _counts(connection: AsyncConnection, numbers: Sequence[str]) -> dict[str, Completeness]:
    status = documents.c.status
    failed = status == DocumentStatus.FAILED
    result = await connection.execute(
        select(
            documents.c.process_number,
            _sum(status == DocumentStatus.AVAILABLE).label("available"),
            _sum(status == DocumentStatus.PENDING).label("pending"),
            _sum(failed).label("failed"),
            _sum(failed & documents.c.failure_code.in_(RETRYABLE_CODES)).label("retryable"),
            _sum(failed & (documents.c.failure_code == FailureCode.NO_CONTENT)).label("no_content"),
            func.sum(case((status == DocumentStatus.AVAILABLE, documents.c.size_bytes))).label("bytes"),
        )
        .where(
            documents.c.process_number.in_(numbers),
            or_(documents.c.withdrawn.is_(False), status == DocumentStatus.AVAILABLE),
        )
        .group_by(documents.c.process_number)
    )
    return {
        row.process_number: Completeness(
            available=row.available,
            pending=row.pending,
            failed_for_good=row.failed - row.retryable - row.no_content,
            failed_retryable=row.retryable,
            available_bytes=int(row.bytes or 0),
            no_content=row.no_content,
        )
        for row in result
    }


async def _runs(connection: AsyncConnection, ids: Sequence[str]) -> dict[str, Run]:
    result = await connection.execute(select(runs).where(runs.c.id.in_(ids)))
    return {row.id: to_run(row) for row in result}


async def _failed_documents(
    connection: AsyncConnection, after: tuple[datetime, str, str] | None, limit: int, code: FailureCode | None
) -> list[KnownFailure]:
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
        # LEFT JOINs although every document has both, so that the planner does not start from them and sort.
        .select_from(
            documents.outerjoin(processes, documents.c.process_number == processes.c.number).outerjoin(
                instances, documents.c.instance_id == instances.c.id
            )
        )
        .where(_FAILED, documents.c.withdrawn.is_(False))
        .order_by(documents.c.failed_at.desc(), documents.c.process_number.desc(), documents.c.id.desc())
        .limit(limit)
    )
    if code is not None:
        statement = statement.where(documents.c.failure_code == code)
    if after is not None:
        moment, number, document_id = after
        place = tuple_(documents.c.failed_at, documents.c.process_number, documents.c.id)
        statement = statement.where(place < tuple_(_bound(moment), literal(number), literal(document_id)))
    return [
        KnownFailure(
            process_number=row.process_number,
            court=row.court,
            failure=_failure(row, attempts=row.failed_attempts),
            document=FailedDocument(
                id=row.id,
                name=row.name,
                type_name=row.type_name,
                filed_at=row.filed_at,
                secrecy=level_of(row),
                listed=row.shown_until is None,
            ),
        )
        for row in await connection.execute(statement)
    ]


async def _failed_processes(
    connection: AsyncConnection, after: tuple[datetime, str, str] | None, limit: int, code: FailureCode | None
) -> list[KnownFailure]:
    statement = (
        select(
            processes.c.number,
            processes.c.court,
            processes.c.failure_code,
            processes.c.failure_answer,
            processes.c.failed_at,
        )
        .where(processes.c.failure_code.is_not(None))
        .order_by(processes.c.failed_at.desc(), processes.c.number.desc())
        .limit(limit)
    )
    if code is not None:
        statement = statement.where(processes.c.failure_code == code)
    if after is not None:
        moment, number, document_id = after
        place, end = tuple_(processes.c.failed_at, processes.c.number), tuple_(_bound(moment), literal(number))
        # A process stands behind its own documents that failed at the same moment.
        statement = statement.where(place <= end if document_id else place < end)
    return [
        KnownFailure(row.number, row.court, _failure(row, attempts=1))
        for row in await connection.execute(statement)
    ]


def _unrecognized(table: Table) -> ColumnElement[bool]:
    # Written out, not bound, as for what failed.
    return table.c.secrecy == literal_column("'unrecognized'")


def _bound(moment: datetime) -> ColumnElement[datetime]:
    return literal(moment, UtcDateTime())


def _sum(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.sum(case((condition, 1), else_=0))


def _failure(row: Row[*tuple[object, ...]], *, attempts: int) -> Failure:
    return Failure(
        code=FailureCode(row.failure_code),
        answer=row.failure_answer or "",
        attempts=attempts,
        failed_at=row.failed_at,
    )
