"""SELECT statements over processes and the counts of their documents, and their rows as domain objects.

The statements are built once, with parameters: building one takes as long as SQLite takes to run it.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, bindparam, case, func, or_, select, true

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

_RunRow = namedtuple("_RunRow", [column.name for column in runs.c])  # type: ignore[misc]  # mypy wants literal names.
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
_LATEST_RUN = (
    select(runs.c.id)
    .where(runs.c.process_number == OF_PROCESS)
    .order_by(runs.c.started_at.desc())
    .limit(1)
    .scalar_subquery()
)
_number = select(OF_PROCESS.label("number")).subquery("wanted")
_counts = COUNT_DOCUMENTS.subquery("counts")
# A process with its latest run and the counts of its documents, in one statement: an answer waits for each.
# There is a row for each count, and at least one. Any of the three may be missing.
SELECT_PROCESS = select(
    processes,
    is_blocked(_number.c.number).label("is_erased"),
    _counts,
    *(column.label(f"run_{column.name}") for column in runs.c),
).select_from(
    _number.outerjoin(processes, processes.c.number == _number.c.number)
    .outerjoin(runs, runs.c.id == _LATEST_RUN)
    .outerjoin(_counts, true())
)
COUNT_FAILURES_BY_CODE = (
    select(documents.c.failure_code, func.count().label("amount"))
    .where(is_counted_in(OF_PROCESS), documents.c.status == DocumentStatus.FAILED)
    .group_by(documents.c.failure_code)
    .order_by(documents.c.failure_code)
)


def has_process(row: Row[*tuple[Any, ...]]) -> bool:
    """Return whether a row of ``SELECT_PROCESS`` has a process, or a run of one that was not listed yet."""
    return row.number is not None or row.run_id is not None


def to_process(number: str, rows: Sequence[Row[*tuple[Any, ...]]]) -> Process:
    """Convert the rows of ``SELECT_PROCESS``."""
    row = rows[0]
    return Process(
        number=number,
        court=row.court or ProcessNumber.parse(number).court,
        listed_at=row.listed_at,
        listed_documents=row.listed_documents or 0,
        failure=to_failure(row, attempts=1) if row.failure_code else None,
        documents=to_counts(each for each in rows if each.status is not None),
        latest_run=to_run(_RunRow(*row[-len(runs.c) :])) if row.run_id is not None else None,
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


def to_run(row: Any) -> Run:
    """Convert a row of ``runs``, or anything with its columns as attributes."""
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
