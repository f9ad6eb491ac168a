"""Processes as the API reads them, and the counts of their documents."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, case, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.database.engine import Database
from adapters.database.tables import documents, processes, runs
from adapters.database.tombstones import is_blocked, refuse_erased
from domain.completeness import Completeness, Outcome
from domain.documents import DocumentStatus, Failure
from domain.errors import FailureCode
from domain.process_number import ProcessNumber
from domain.processes import Process, Run

RETRYABLE_CODES = tuple(code.value for code in FailureCode if code.retryable)


# Documents that counts and pages include: those that the court still lists, and those that are stored.
IS_COUNTED = or_(documents.c.withdrawn.is_(False), documents.c.status == DocumentStatus.AVAILABLE)


def is_counted_in(number: str) -> ColumnElement[bool]:
    """Return the condition for the documents of a process that counts and pages include."""
    return and_(documents.c.process_number == number, IS_COUNTED)


async def count_documents(
    connection: AsyncConnection, number: str, document_ids: Collection[str] = ()
) -> Completeness:
    """Count the documents of a process by status, reading the index alone.

    Args:
        connection: The transaction.
        number: The process.
        document_ids: Count only these. Empty means all. An id that the process does not have counts as failed for
            good.
    """
    amount = func.count().label("amount")
    kind = case(
        (documents.c.failure_code.in_(RETRYABLE_CODES), "failed_retryable"),
        (documents.c.failure_code == FailureCode.NO_CONTENT, "no_content"),
        else_="failed_for_good",
    ).label("kind")
    result = await connection.execute(
        select(documents.c.status, kind, amount, func.sum(documents.c.size_bytes).label("bytes"))
        .where(is_counted_in(number), *([documents.c.id.in_(document_ids)] if document_ids else []))
        .group_by(documents.c.status, kind)
    )
    counts = {"available": 0, "pending": 0, "failed_for_good": 0, "failed_retryable": 0, "no_content": 0}
    available_bytes = 0
    for row in result:
        if row.status == DocumentStatus.FAILED:
            counts[row.kind] += row.amount
        else:
            counts[row.status] += row.amount
        if row.status == DocumentStatus.AVAILABLE:
            available_bytes += int(row.bytes or 0)
    if document_ids:
        counts["failed_for_good"] += len(set(document_ids)) - sum(counts.values())
    return Completeness(**counts, available_bytes=available_bytes)


class ProcessRepository:
    """Read access to processes."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, number: str) -> Process | None:
        """Return the process with its counts and latest run, from one snapshot. None if it is unknown.

        Raises:
            ProcessErased: The process was erased, or is being erased.
        """
        async with self._database.reading() as connection:
            run_row = (
                await connection.execute(
                    select(runs).where(runs.c.process_number == number).order_by(runs.c.started_at.desc()).limit(1)
                )
            ).one_or_none()
            row = (
                await connection.execute(
                    select(processes, is_blocked(processes.c.number).label("is_erased")).where(
                        processes.c.number == number
                    )
                )
            ).one_or_none()
            if row is None or row.is_erased:
                await refuse_erased(connection, number)
            if row is None and run_row is None:
                return None
            counts = await count_documents(connection, number)
        return Process(
            number=number,
            court=row.court if row else ProcessNumber.parse(number).court,
            listed_at=row.listed_at if row else None,
            listed_documents=(row.listed_documents or 0) if row else 0,
            failure=to_failure(row, attempts=1) if row and row.failure_code else None,
            documents=counts,
            latest_run=to_run(run_row) if run_row else None,
        )

    async def count_documents(self, number: str, document_ids: Collection[str] = ()) -> Completeness:
        """Count the documents of a process by status. All counts are zero for an unknown process.

        Args:
            number: The process.
            document_ids: Count only these. Empty means all. An id that the process does not have counts as failed
                for good.
        """
        async with self._database.reading() as connection:
            return await count_documents(connection, number, document_ids)

    async def count_failures_by_code(self, number: str) -> dict[str, int]:
        """Count the failed documents of a process by failure code."""
        async with self._database.reading() as connection:
            result = await connection.execute(
                select(documents.c.failure_code, func.count().label("amount"))
                .where(is_counted_in(number), documents.c.status == DocumentStatus.FAILED)
                .group_by(documents.c.failure_code)
                .order_by(documents.c.failure_code)
            )
            return {row.failure_code: row.amount for row in result}


def to_failure(row: Row[*tuple[Any, ...]], *, attempts: int) -> Failure:
    """Convert the failure columns of a process or a document that has failed."""
    return Failure(FailureCode(row.failure_code), row.failure_answer or "", attempts, row.failed_at)


def to_run(row: Row[*tuple[Any, ...]]) -> Run:
    """Convert a row of ``runs``."""
    ended = row.total_documents is not None
    return Run(
        id=row.id,
        client=row.client,
        started_at=row.started_at,
        ended_at=row.ended_at,
        outcome=Outcome(row.outcome) if row.outcome else None,
        failure_code=FailureCode(row.failure_code) if row.failure_code else None,
        chosen_documents=row.chosen_documents,
        end_count=row.end_count,
        documents=Completeness(
            available=row.available_documents,
            pending=row.total_documents - row.available_documents - row.failed_documents - row.no_content_documents,
            failed_for_good=row.failed_documents,
            available_bytes=row.available_bytes,
            no_content=row.no_content_documents,
        )
        if ended
        else None,
    )
