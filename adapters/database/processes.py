"""Processes as the API reads them, and the counts of their documents."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.database.document_rows import SELECT_FIRST_DOCUMENTS, to_document
from adapters.database.engine import Database
from adapters.database.process_rows import (
    COUNT_DOCUMENTS,
    COUNT_FAILURES_BY_CODE,
    SELECT_PROCESS,
    has_process,
    to_counts,
    to_process,
)
from adapters.database.tables import documents
from adapters.database.tombstones import refuse_erased
from adapters.database.versions import attach_versions
from domain.completeness import Completeness
from domain.processes import Process


async def count_documents(
    connection: AsyncConnection, number: str, document_ids: Collection[str] = ()
) -> Completeness:
    """Count the documents of a process by status.

    Args:
        connection: The transaction.
        number: The process.
        document_ids: Count only these. Empty means all. An id that the process does not have counts as failed for
            good.
    """
    statement = COUNT_DOCUMENTS.where(documents.c.id.in_(document_ids)) if document_ids else COUNT_DOCUMENTS
    counts = to_counts(await connection.execute(statement, {"of_process": number}))
    if not document_ids:
        return counts
    unknown = len(set(document_ids)) - counts.total
    return replace(counts, failed_for_good=counts.failed_for_good + unknown)


class ProcessRepository:
    """Read access to processes."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, number: str, *, first_documents: int = 0) -> Process | None:
        """Return the process with its counts and latest run, from one snapshot. None if it is unknown.

        Args:
            number: The process.
            first_documents: Also read its first documents, as many as this.

        Raises:
            ProcessErased: The process was erased, or is being erased.
        """
        async with self._database.reading() as connection:
            process = await _read_process(connection, number)
            if process is None or not first_documents:
                return process
            limits = {"of_process": number, "at_most": first_documents}
            rows = await connection.execute(SELECT_FIRST_DOCUMENTS, limits)
            documents = await attach_versions(connection, number, [to_document(row) for row in rows])
            return replace(process, first_documents=tuple(documents))

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
            result = await connection.execute(COUNT_FAILURES_BY_CODE, {"of_process": number})
            return {row.failure_code: row.amount for row in result}


async def _read_process(connection: AsyncConnection, number: str) -> Process | None:
    rows = (await connection.execute(SELECT_PROCESS, {"of_process": number})).all()
    if rows[0].is_erased:
        await refuse_erased(connection, number)
    return to_process(number, rows) if has_process(rows[0]) else None
