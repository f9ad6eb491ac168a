"""The documents that a run still has to download, read a page of ids at a time."""

from __future__ import annotations

import asyncio
from collections import deque

from temporalio import workflow

from workflows.options import CATALOG, PENDING_PAGE

with workflow.unsafe.imports_passed_through():
    from activities.catalog import CatalogActivities
    from domain.run_messages import DocumentRef, PendingPageRequest, ProcessRef


class PendingDocuments:
    """A queue for concurrent consumers, filled from the catalog when it is empty.

    Args:
        process: whose documents, and which of them.
    """

    def __init__(self, process: ProcessRef) -> None:
        self._process = process
        self._queue: deque[DocumentRef] = deque()
        self._refilling = asyncio.Lock()
        self._last_position = 0
        self._exhausted = False

    async def next(self) -> DocumentRef | None:
        """Return the next document, or None at the end."""
        while not self._queue and not self._exhausted:
            async with self._refilling:
                if not self._queue and not self._exhausted:
                    await self._refill()
        return self._queue.popleft() if self._queue else None

    async def _refill(self) -> None:
        page = await workflow.execute_activity_method(
            CatalogActivities.next_pending,
            PendingPageRequest(
                self._process.process_number, self._last_position, PENDING_PAGE, self._process.document_ids
            ),
            **CATALOG,
        )
        self._queue.extend(page.documents)
        self._exhausted = len(page.documents) < PENDING_PAGE
        if page.documents:
            self._last_position = page.documents[-1].position
