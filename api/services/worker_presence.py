"""How many workers serve each task queue, as Temporal said a few seconds ago."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias

from domain.errors import DependencyUnavailable
from domain.serializers import Json
from workflows.options import BUNDLES_QUEUE, COURT_QUEUE, PROCESSES_QUEUE

QUEUES = (PROCESSES_QUEUE, COURT_QUEUE, BUNDLES_QUEUE)
_QUEUES_OF_RUNS = frozenset({PROCESSES_QUEUE, COURT_QUEUE})
NO_WORKER = "no_worker"
# An older answer says nothing about now.
_MAX_AGE_SECONDS = 30.0

CountWorkers: TypeAlias = Callable[[], Awaitable[Mapping[str, int]]]


class WorkerPresence:
    """The latest answer of Temporal. Reading it costs no request: a background task refreshes it.

    Args:
        count_workers: Asks Temporal. Raises DependencyUnavailable if it does not answer.
    """

    def __init__(self, count_workers: CountWorkers) -> None:
        self._count_workers = count_workers
        self._counts: Mapping[str, int] = {}
        self._counted_at = float("-inf")
        self._lock = asyncio.Lock()

    async def refresh(self) -> None:
        """Ask Temporal. If it does not answer, the number of workers is unknown from now on."""
        try:
            self._counts = await self._count_workers()
        except DependencyUnavailable:
            self._counts = {}
        self._counted_at = time.monotonic()

    async def ensure_counted(self) -> None:
        """Ask Temporal if nobody has done so lately: a health check may come before the first answer."""
        async with self._lock:
            if time.monotonic() - self._counted_at > _MAX_AGE_SECONDS:
                await self.refresh()

    @property
    def counts(self) -> dict[str, int | None]:
        """The number of workers of each task queue. None if it is unknown."""
        counts = self._counts if time.monotonic() - self._counted_at < _MAX_AGE_SECONDS else {}
        return {queue: counts.get(queue) for queue in QUEUES}

    @property
    def unserved(self) -> tuple[str, ...]:
        """The task queues that certainly have no worker."""
        return tuple(queue for queue, count in self.counts.items() if count == 0)

    def warnings(self) -> list[Json]:
        """Return a warning for each queue of runs without a worker, for the bodies that describe an open run."""
        return [
            {
                "code": NO_WORKER,
                "detail": f"No worker is at work for the queue {queue}: the run is kept, "
                "and starts or goes on as soon as one is.",
            }
            for queue in self.unserved
            if queue in _QUEUES_OF_RUNS
        ]

    def advice(self) -> str | None:
        """Return what an operator should do. None if each queue has a worker."""
        if unserved := self.unserved:
            return (
                f"No worker is at work for {' and '.join(unserved)}: start one (`autos worker`), or see why it "
                "does not poll. Runs, webhooks and bundles are kept and wait for it."
            )
        if None in self.counts.values():
            return "Temporal does not say which workers are at work: look at the workers' own logs."
        return None
