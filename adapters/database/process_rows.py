"""SELECT statements over processes and the counts of their documents, and their rows as domain objects.

The statements are built once, with parameters: building one takes as long as SQLite takes to run it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, bindparam, case, func, or_, select

from adapters.database.tables import documents, processes, runs
from adapters.database.tombstones import is_blocked
from domain.completeness import Completeness, Outcome
from domain.documents import DocumentStatus, Failure
from domain.errors import FailureCode
from domain.process_number import ProcessNumber
from domain.processes import Process, Run

RETRYABLE_CODES = tuple(code.value for code in FailureCode if code.retryable)

# Documents that counts and pages include: those that the court still lists, and those that are stored.
IS_COUNTED = or_(documents.c.withdrawn.is_(False), documents.c.status == DocumentStatus.AVAILABLE)


def is_counted_in(number: str | ColumnElement[str]) -> ColumnElement[bool]:
    """Return the condition for the documents of a process that counts and pages include."""
    return and_(documents.c.process_number == number, IS_COUNTED)


OF_PROCESS = bindparam("of_process", type_=processes.c.number.type)

SELECT_PROCESS = select(processes, is_blocked(processes.c.number).label("is_erased")).where(
    processes.c.number == OF_PROCESS
)
SELECT_LATEST_RUN = (
    select(runs).where(runs.c.process_number == OF_PROCESS).order_by(runs.c.started_at.desc()).limit(1)
)
_KIND = case(
    (documents.c.failure_code.in_(RETRYABLE_CODES), "failed_retryable"),
    (documents.c.failure_code == FailureCode.NO_CONTENT, "no_content"),
    else_="failed_for_good",
).label("kind")
# Reads the index alone. For `to_counts`.
COUNT_DOCUMENTS = (
    select(
        documents.c.status,
        _KIND,
        func.count().label("amount"),
        func.sum(documents.c.size_bytes).label("bytes"),
    )
    .where(is_counted_in(OF_PROCESS))
    .group_by(documents.c.status, _KIND)
)
COUNT_FAILURES_BY_CODE = (
    select(documents.c.failure_code, func.count().label("amount"))
    .where(is_counted_in(OF_PROCESS), documents.c.status == DocumentStatus.FAILED)
    .group_by(documents.c.failure_code)
    .order_by(documents.c.failure_code)
)


def to_process(
    number: str,
    row: Row[*tuple[Any, ...]] | None,
    run_row: Row[*tuple[Any, ...]] | None,
    counts: Completeness,
) -> Process:
    """Convert a row of ``processes``. None stands for a process that was requested, but not listed yet."""
    return Process(
        number=number,
        court=row.court if row else ProcessNumber.parse(number).court,
        listed_at=row.listed_at if row else None,
        listed_documents=(row.listed_documents or 0) if row else 0,
        failure=to_failure(row, attempts=1) if row and row.failure_code else None,
        documents=counts,
        latest_run=to_run(run_row) if run_row else None,
    )


def to_counts(rows: Iterable[Row[*tuple[Any, ...]]]) -> Completeness:
    """Convert the rows of ``COUNT_DOCUMENTS``."""
    counts = {"available": 0, "pending": 0, "failed_for_good": 0, "failed_retryable": 0, "no_content": 0}
    available_bytes = 0
    for row in rows:
        if row.status == DocumentStatus.FAILED:
            counts[row.kind] += row.amount
        else:
            counts[row.status] += row.amount
        if row.status == DocumentStatus.AVAILABLE:
            available_bytes += int(row.bytes or 0)
    return Completeness(**counts, available_bytes=available_bytes)


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
        is_look=row.is_look,
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
