"""Processes as the API reads them."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import ColumnElement, Row, and_, case, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.database.engine import Database
from adapters.database.tables import documents, processes, runs
from domain.completeness import Completeness, Outcome
from domain.documents import DocumentStatus, Failure
from domain.errors import FailureCode
from domain.process_number import ProcessNumber
from domain.processes import Process, Run

RETRYABLE_CODES = tuple(code.value for code in FailureCode if code.retryable)


def counted(number: str) -> ColumnElement[bool]:
    """The documents of a process that count: those that the court still lists, and those that are stored."""
    return and_(
        documents.c.process_number == number,
        or_(documents.c.withdrawn.is_(False), documents.c.status == DocumentStatus.AVAILABLE),
    )


async def count_documents(
    connection: AsyncConnection, number: str, document_ids: Collection[str] = ()
) -> Completeness:
    """Count the documents of a process from the index alone, or those of them that are named.

    Of those named, one that the process does not have counts as failed for good.
    """
    amount = func.count().label("amount")
    kind = case(
        (documents.c.failure_code.in_(RETRYABLE_CODES), "failed_retryable"),
        (documents.c.failure_code == FailureCode.NO_CONTENT, "no_content"),
        else_="failed_for_good",
    ).label("kind")
    result = await connection.execute(
        select(documents.c.status, kind, amount, func.sum(documents.c.size_bytes).label("bytes"))
        .where(counted(number), *([documents.c.id.in_(document_ids)] if document_ids else []))
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


class Processes:
    """Reads processes."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, number: str) -> Process | None:
        """The process with its counts and latest run, at one moment; none if nothing is known of it."""
        async with self._database.reading() as connection:
            run_row = (
                await connection.execute(
                    select(runs).where(runs.c.process_number == number).order_by(runs.c.started_at.desc()).limit(1)
                )
            ).one_or_none()
            row = (await connection.execute(select(processes).where(processes.c.number == number))).one_or_none()
            if row is None and run_row is None:
                return None
            counts = await count_documents(connection, number)
        return Process(
            number=number,
            court=row.court if row else ProcessNumber.parse(number).court,
            listed_at=row.listed_at if row else None,
            listed_documents=(row.listed_documents or 0) if row else 0,
            failure=_failure(row) if row else None,
            documents=counts,
            latest_run=to_run(run_row) if run_row else None,
        )

    async def completeness(self, number: str, document_ids: Collection[str] = ()) -> Completeness:
        """The count of the documents of a process, or of those named; all zero if it is unknown.

        Of those named, one that the process does not have counts as failed for good.
        """
        async with self._database.reading() as connection:
            return await count_documents(connection, number, document_ids)

    async def failures_by_code(self, number: str) -> dict[str, int]:
        """How many documents of a process failed, by the failure's code."""
        async with self._database.reading() as connection:
            result = await connection.execute(
                select(documents.c.failure_code, func.count().label("amount"))
                .where(counted(number), documents.c.status == DocumentStatus.FAILED)
                .group_by(documents.c.failure_code)
                .order_by(documents.c.failure_code)
            )
            return {row.failure_code: row.amount for row in result}


def _failure(row: Row[tuple[object, ...]]) -> Failure | None:
    if row.failure_code is None:
        return None
    return Failure(
        code=FailureCode(row.failure_code),
        answer=row.failure_answer or "",
        attempts=1,
        failed_at=row.failed_at,
    )


def to_run(row: Row[tuple[object, ...]]) -> Run:
    """Read a row of ``runs``."""
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
