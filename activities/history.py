"""The activity that prunes old history."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import structlog
from temporalio import activity

from activities.errors import translating_infrastructure_errors
from activities.metrics import NO_METRICS, WorkerMetrics
from domain.history import HistoryKind, PrunedPart, PruneRequest

if TYPE_CHECKING:
    from adapters.database.history import HistoryRepository

# Each is a transaction of its own, so that nobody waits long for a lock.
_MAX_CHUNKS = 20

_log = structlog.get_logger()


class HistoryActivities:
    """The activity on old history.

    Args:
        history: Deletes what is old.
        retention: How long each kind is kept after its end. A kind that is missing is kept for ever.
        metrics: Counts what was pruned.
        clock: This machine's time.
    """

    def __init__(
        self,
        history: HistoryRepository,
        retention: Mapping[HistoryKind, timedelta],
        *,
        metrics: WorkerMetrics = NO_METRICS,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._history = history
        self._retention = retention
        self._metrics = metrics
        self._clock = clock

    @activity.defn
    async def prune_history(self, request: PruneRequest) -> PrunedPart:
        """Delete a part of one kind of history that is older than its retention. Idempotent."""
        retention = self._retention.get(request.kind)
        if retention is None:
            return PrunedPart()
        rows = 0
        with translating_infrastructure_errors():
            # The earlier of two clocks: one that is years ahead would delete everything.
            before = min(self._clock(), await self._history.now()) - retention
            for _ in range(_MAX_CHUNKS):
                part = await self._history.prune(request, before=before)
                rows += part.rows
                self._metrics.count_pruned(request.kind, part.rows)
                if part.following is None:
                    break
                request = replace(request, after=part.following)
        if rows:
            _log.info("history pruned", kind=request.kind, rows=rows, older_than_days=retention.days)
        return PrunedPart(rows, part.following)
