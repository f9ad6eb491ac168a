"""The activity that starts the looks at watched processes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import structlog
from temporalio import activity

from activities.errors import translating_infrastructure_errors
from activities.metrics import NO_METRICS, WorkerMetrics
from domain.run_messages import NO_DOCUMENT, DownloadRequest
from domain.watch_messages import DueLook, LooksPage, LooksRequest

if TYPE_CHECKING:
    from adapters.database import Catalog
    from adapters.temporal.run_client import RunClient

_PAGE_SIZE = 100

_log = structlog.get_logger()


class WatchActivities:
    """The activity on watches.

    Args:
        catalog: Knows what is due, and whether the court answers.
        runs: Starts runs.
        most_looks: How many looks may be under way, and how many one sweep starts. 0: none.
        metrics: Counts what is started.
    """

    def __init__(
        self, catalog: Catalog, runs: RunClient, *, most_looks: int, metrics: WorkerMetrics = NO_METRICS
    ) -> None:
        self._catalog = catalog
        self._runs = runs
        self._most_looks = most_looks
        self._metrics = metrics

    @activity.defn
    async def start_looks(self, request: LooksRequest) -> LooksPage:
        """Start runs for a page of the processes that are due. None while the court does not answer.

        If the worker dies in between, the looks that were started are found open by the next attempt.
        """
        with translating_infrastructure_errors():
            court = await self._catalog.court_state.read_state()
            if court.failure_code is not None:
                return LooksPage()
            allowed = self._most_looks - max(request.started, await self._catalog.watches.count_open_looks())
            page_size = min(allowed, _PAGE_SIZE)
            if page_size <= 0:
                return LooksPage()
            due_at = datetime.now(UTC)
            due = await self._catalog.watches.list_due(limit=page_size, at=due_at)
            if not due:
                return LooksPage()
            started, joined = await self._start(due)
            await self._catalog.watches.mark_looks(started, joined, due_at=due_at)
        self._metrics.count_looks(len(started))
        _log.info("looks started", started=len(started), open_already=len(joined))
        return LooksPage(len(started), len(joined), more=True)

    async def _start(self, due: Sequence[DueLook]) -> tuple[list[str], list[str]]:
        """Return the processes whose look was started, and those that have an open run already."""
        are_started = await asyncio.gather(*(self._runs.start_look(_to_request(look)) for look in due))
        started: list[str] = []
        joined: list[str] = []
        for look, is_started in zip(due, are_started, strict=True):
            (started if is_started else joined).append(look.process_number)
        return started, joined


def _to_request(look: DueLook) -> DownloadRequest:
    # Permanent failures are not tried again at every look.
    return DownloadRequest(
        look.process_number,
        look.client,
        document_ids=() if look.download else (NO_DOCUMENT,),
        is_look=True,
    )
