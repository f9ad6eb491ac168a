"""The lists over all processes."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from api.pagination import FAILURE_CURSOR, PROCESS_CURSOR, page_url
from api.presenters import ProcessPresenter
from api.schemas.documents import FailureBody
from api.schemas.lists import (
    FailedDocumentBody,
    FailuresBody,
    FailuresQuery,
    ListedFailureBody,
    ProcessesBody,
    ProcessesQuery,
    ProcessSummary,
)
from domain.clients import Client
from domain.open_runs import OpenRun
from domain.process_number import ProcessNumber
from domain.processes import Process
from domain.secrecy import is_withheld
from domain.serializers import failure_body

if TYPE_CHECKING:
    from adapters.database import Catalog
    from adapters.database.failure_queries import FailureEntry
    from adapters.database.list_queries import ProcessEntry

# A status is derived, not stored: a page of one status is found by reading processes in chunks. The number of
# chunks for one page is limited, however rare the status is.
_CHUNK_SIZE = 200
_MAX_CHUNKS = 10
_CONCURRENT_TEMPORAL_CALLS = 16
# The shape of a court's acronym. The database is not asked for any other text.
_COURT = re.compile(r"[A-Z0-9.-]{1,16}")


@dataclass(frozen=True, slots=True)
class ListService:
    """Reads pages of processes and of failures."""

    catalog: Catalog
    presenter: ProcessPresenter

    async def list_processes(self, query: ProcessesQuery) -> ProcessesBody:
        """Return a page of processes, newest first.

        Raises:
            InvalidInput: The cursor is not valid.
            DependencyUnavailable: The database or Temporal does not answer.
        """
        page, last = await self._read_page(query)
        cursor = PROCESS_CURSOR.encode((last.created_at, last.process.number)) if last else None
        return ProcessesBody(
            processes=page, next_cursor=cursor, processes_next=_next_page_url("/processes", query, cursor)
        )

    async def list_failures(self, client: Client, query: FailuresQuery) -> FailuresBody:
        """Return a page of failures, newest first, as far as the client may read them.

        Raises:
            InvalidInput: The cursor is not valid.
            DependencyUnavailable: The database does not answer.
        """
        entries = await self.catalog.lists.list_failures(
            after=FAILURE_CURSOR.decode(query.cursor), limit=query.limit + 1, code=query.code
        )
        page = entries[: query.limit]
        cursor = FAILURE_CURSOR.encode(page[-1].sort_key) if len(entries) > query.limit else None
        return FailuresBody(
            failures=[_failure_body(entry, client) for entry in page],
            next_cursor=cursor,
            failures_next=_next_page_url("/failures", query, cursor),
        )

    async def _read_page(self, query: ProcessesQuery) -> tuple[list[ProcessSummary], ProcessEntry | None]:
        """Return a page and the entry after which the next page begins. None if this is the last page."""
        page: list[ProcessSummary] = []
        after = PROCESS_CURSOR.decode(query.cursor)
        last: ProcessEntry | None = None
        if query.court is not None and not _COURT.fullmatch(query.court):
            return page, None
        size = query.limit if query.status is None else _CHUNK_SIZE
        for _ in range(_MAX_CHUNKS):
            entries = await self.catalog.lists.list_processes(after=after, limit=size + 1, court=query.court)
            chunk, has_more = entries[:size], len(entries) > size
            for entry, (process, open_run) in zip(chunk, await self._find_states(chunk), strict=True):
                if len(page) == query.limit:
                    return page, last
                last, after = entry, (entry.created_at, entry.process.number)
                head = self.presenter.head_body(process, open_run)
                if query.status is None or head["status"] == query.status:
                    page.append(ProcessSummary(**head, created_at=entry.created_at))
            if not has_more:
                return page, None
            if len(page) == query.limit:
                break
        return page, last

    async def _find_states(self, chunk: Sequence[ProcessEntry]) -> list[tuple[Process, OpenRun | None]]:
        """Return each process with its open run. Temporal is asked only if the catalog has no end of the last run.

        Raises:
            DependencyUnavailable: The database or Temporal does not answer.
        """
        semaphore = asyncio.Semaphore(_CONCURRENT_TEMPORAL_CALLS)

        async def find_state(process: Process) -> tuple[Process, OpenRun | None]:
            if process.latest_run is None or process.latest_run.outcome is not None:
                return process, None
            async with semaphore:
                number = ProcessNumber.parse(process.number)
                return await self.presenter.find_state(number) or (process, None)

        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(find_state(entry.process)) for entry in chunk]
        except ExceptionGroup as errors:
            # The other calls were cancelled: they would have waited for the same silent server.
            raise errors.exceptions[0] from None
        return [task.result() for task in tasks]


def _failure_body(entry: FailureEntry, client: Client) -> ListedFailureBody:
    document = entry.document
    visible = document is not None and not is_withheld(document, client.scopes)
    document_body = None
    if document is not None:
        document_body = FailedDocumentBody(
            id=document.id,
            name=document.name if visible else None,
            type=document.type_name if visible else None,
            filed_at=document.filed_at if visible else None,
        )
    return ListedFailureBody(
        process_number=entry.process_number,
        court=entry.court,
        document=document_body,
        failure=FailureBody.model_validate(failure_body(entry.failure, include_answer=visible or document is None)),
    )


def _next_page_url(path: str, query: ProcessesQuery | FailuresQuery, cursor: str | None) -> str | None:
    if cursor is None:
        return None
    return page_url(path, query.model_dump(mode="json", exclude_none=True) | {"cursor": cursor})
