"""Pages over all processes, and counts for the operator's metrics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Table, case, func, literal, literal_column, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.database.case_tables import movements
from adapters.database.engine import Database
from adapters.database.failure_queries import FailureEntry, list_failures
from adapters.database.process_rows import IS_COUNTED, RETRYABLE_CODES, to_failure, to_run
from adapters.database.tables import UtcDateTime, documents, instances, processes, runs
from adapters.database.tombstones import is_blocked
from domain.completeness import Completeness
from domain.documents import DocumentStatus
from domain.errors import FailureCode
from domain.processes import Process, Run

_LATEST_RUN = (
    select(runs.c.id)
    .where(runs.c.process_number == processes.c.number)
    .order_by(runs.c.started_at.desc())
    .limit(1)
    .scalar_subquery()
)


@dataclass(frozen=True, slots=True)
class ProcessEntry:
    """A process of the list, with the time at which it came into the catalog: the key of keyset pagination."""

    created_at: datetime
    process: Process


class ListRepository:
    """Pages over all processes and all failures."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list_processes(
        self, *, after: tuple[datetime, str] | None = None, limit: int, court: str | None = None
    ) -> list[ProcessEntry]:
        """Return a page of processes with their counts and latest runs, newest first, from one snapshot.

        Args:
            after: ``created_at`` and number of the last process of the page before. None for the first page.
            limit: Maximum number of processes.
            court: Only processes of this court, by its acronym. None means all.
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
        statement = statement.where(~is_blocked(processes.c.number))
        if court is not None:
            statement = statement.where(processes.c.court == court)
        if after is not None:
            created_at, number = after
            key = tuple_(processes.c.created_at, processes.c.number)
            statement = statement.where(key < tuple_(literal(created_at, UtcDateTime()), literal(number)))
        async with self._database.reading() as connection:
            rows = (await connection.execute(statement.limit(limit))).all()
            counts = await _count_documents_by_process(connection, [row.number for row in rows])
            latest_runs = await _get_runs(
                connection, [row.latest_run for row in rows if row.latest_run is not None]
            )
        return [
            ProcessEntry(
                created_at=row.created_at,
                process=Process(
                    number=row.number,
                    court=row.court,
                    listed_at=row.listed_at,
                    listed_documents=row.listed_documents or 0,
                    failure=to_failure(row, attempts=1) if row.failure_code is not None else None,
                    documents=counts.get(row.number, Completeness()),
                    latest_run=latest_runs.get(row.latest_run),
                ),
            )
            for row in rows
        ]

    async def list_failures(
        self, *, after: tuple[datetime, str, str] | None = None, limit: int, code: FailureCode | None = None
    ) -> list[FailureEntry]:
        """Return a page of failed processes and of failed documents that are still listed, newest first.

        Args:
            after: The ``sort_key`` of the last entry of the page before. None for the first page.
            limit: Maximum number of entries.
            code: Only failures with this code. None means all.
        """
        async with self._database.reading() as connection:
            return await list_failures(connection, after, limit, code)

    async def count_unrecognized_levels(self) -> dict[str, int]:
        """Count the rows whose secrecy level was stated but not understood, by table name."""
        tables = (processes, instances, documents, movements)
        async with self._database.reading() as connection:
            counts = (
                await connection.execute(
                    select(
                        *(
                            select(func.count()).select_from(table).where(_is_unrecognized(table)).scalar_subquery()
                            for table in tables
                        )
                    )
                )
            ).one()
        return {table.name: count for table, count in zip(tables, counts, strict=True)}


async def _count_documents_by_process(
    connection: AsyncConnection, numbers: Sequence[str]
) -> dict[str, Completeness]:
    status = documents.c.status
    failed = status == DocumentStatus.FAILED
    result = await connection.execute(
        select(
            documents.c.process_number,
            _count_where(status == DocumentStatus.AVAILABLE).label("available"),
            _count_where(status == DocumentStatus.PENDING).label("pending"),
            _count_where(failed).label("failed"),
            _count_where(failed & documents.c.failure_code.in_(RETRYABLE_CODES)).label("retryable"),
            _count_where(failed & (documents.c.failure_code == FailureCode.NO_CONTENT)).label("no_content"),
            func.sum(case((status == DocumentStatus.AVAILABLE, documents.c.size_bytes))).label("bytes"),
        )
        .where(documents.c.process_number.in_(numbers), IS_COUNTED)
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


async def _get_runs(connection: AsyncConnection, ids: Sequence[str]) -> dict[str, Run]:
    result = await connection.execute(select(runs).where(runs.c.id.in_(ids)))
    return {row.id: to_run(row) for row in result}


def _is_unrecognized(table: Table) -> ColumnElement[bool]:
    # A literal, not a bound parameter: a partial index is used only for a query with its exact condition.
    return table.c.secrecy == literal_column("'unrecognized'")


def _count_where(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.sum(case((condition, 1), else_=0))
