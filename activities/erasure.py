"""The activities that erase processes, and find the processes to erase."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import structlog
from temporalio import activity

from activities.errors import translating_infrastructure_errors
from activities.heartbeats import heartbeating
from domain.erasure import ErasureState
from domain.erasure_messages import (
    ErasurePage,
    ErasureRequest,
    ErasureSweepProgress,
    Remains,
    RunStop,
    StoppedRun,
)
from domain.process_number import ProcessNumber
from domain.storage import process_prefixes

if TYPE_CHECKING:
    from adapters.database import Catalog
    from adapters.storage import ObjectStore
    from adapters.temporal.erasure_client import ErasureClient
    from adapters.temporal.run_client import RunClient

# An API that has just written the tombstone starts the workflow itself.
_MIN_AGE = timedelta(minutes=1)
_CANDIDATES_PER_PAGE = 50
_BUNDLES_AT_ONCE = 100

_log = structlog.get_logger()


class ErasureActivities:
    """The activities of erasures. Each is idempotent, and each erases only processes that have a tombstone.

    Args:
        client: Erases executions in Temporal.
        runs: Finds open runs.
        retention: Processes without activity for this long are erased. None means never.
    """

    def __init__(
        self,
        catalog: Catalog,
        store: ObjectStore,
        client: ErasureClient,
        runs: RunClient,
        *,
        retention: timedelta | None,
    ) -> None:
        self._catalog = catalog
        self._store = store
        self._client = client
        self._runs = runs
        self._retention = retention

    @activity.defn
    async def stop_run(self, stop: RunStop) -> StoppedRun:
        """Cancel the open run of the process, or terminate it."""
        with translating_infrastructure_errors():
            if not await self._catalog.erasures.is_blocked(stop.process_number):
                return StoppedRun(closed=True, recently_active=False)
            return await self._client.stop_run(stop.process_number, terminate=stop.terminate)

    @activity.defn
    async def erase_deliveries(self, request: ErasureRequest) -> Remains:
        """Erase a page of the process's webhook deliveries, and their executions. Pending ones are not sent."""
        number = request.process_number
        with translating_infrastructure_errors():
            if not await self._catalog.erasures.is_blocked(number):
                return Remains(0)
            async with heartbeating():
                ids = await self._catalog.erased_rows.list_delivery_ids(number)
                if ids:
                    workflows = await self._client.erase_deliveries(ids)
                    await self._catalog.erased_rows.erase_deliveries(number, ids, workflows=workflows)
        return Remains(len(ids))

    @activity.defn
    async def erase_objects(self, request: ErasureRequest) -> Remains:
        """End the builds of the process, and erase its objects with all versions and its unfinished uploads."""
        number = request.process_number
        with translating_infrastructure_errors():
            if not await self._catalog.erasures.is_blocked(number):
                return Remains(0)
            async with heartbeating():
                if not await self._catalog.erased_rows.are_objects_counted(number):
                    measured = [await self._store.measure(prefix) for prefix in process_prefixes(number)]
                    objects, size_bytes = map(sum, zip(*measured, strict=True))
                    await self._catalog.erased_rows.count_objects(number, objects, size_bytes)
                builds = await self._end_builds(number)
                erased = [await self._store.erase(prefix) for prefix in process_prefixes(number)]
                return Remains(builds + sum(erased))

    async def _end_builds(self, number: str) -> int:
        """Erase the executions that build bundles of the process. Returns how many there were."""
        ended = 0
        ids = await self._catalog.bundles.list_ids(number)
        for start in range(0, len(ids), _BUNDLES_AT_ONCE):
            workflows = await self._client.erase_builds(ids[start : start + _BUNDLES_AT_ONCE])
            await self._catalog.erased_rows.add_workflows(number, workflows)
            ended += workflows
        return ended

    @activity.defn
    async def erase_rows(self, request: ErasureRequest) -> Remains:
        """Delete the process's rows, and take it out of all batches."""
        number = request.process_number
        with translating_infrastructure_errors():
            if not await self._catalog.erasures.is_blocked(number):
                return Remains(0)
            async with heartbeating():
                return Remains(await self._catalog.erased_rows.erase_all(number))

    @activity.defn
    async def erase_executions(self, request: ErasureRequest) -> Remains:
        """Erase the executions of the process's runs in Temporal."""
        number = request.process_number
        with translating_infrastructure_errors():
            if not await self._catalog.erasures.is_blocked(number):
                return Remains(0)
            async with heartbeating():
                erased = await self._client.erase_runs(number)
                await self._catalog.erased_rows.add_workflows(number, erased)
        return Remains(erased)

    @activity.defn
    async def complete_erasure(self, request: ErasureRequest) -> bool:
        """Record that nothing is left of the process. Returns True if there are rows of it again."""
        with translating_infrastructure_errors():
            erasure = await self._catalog.erasures.complete(request.process_number)
        if erasure is not None and erasure.state is ErasureState.RUNNING:
            return True
        if erasure is not None:
            counts = erasure.counts
            _log.info(
                "process erased",
                process=erasure.process_number,
                kind=erasure.kind.value,
                by=erasure.requested_by.client,
                key=erasure.requested_by.key_id,
                documents=counts.documents,
                objects=counts.objects,
                bytes=counts.bytes,
            )
        return False

    @activity.defn
    async def unfinished_erasures(self, progress: ErasureSweepProgress) -> ErasurePage:
        """Return a page of erasures that are not complete. Those with an open workflow are among them."""
        with translating_infrastructure_errors():
            page = await self._catalog.erasures.list_running(
                after=progress.after_erasure or 0, before=datetime.now(UTC) - _MIN_AGE
            )
        following = replace(progress, after_erasure=page[-1].id if page else None)
        return ErasurePage(tuple(erasure.process_number for erasure in page), following)

    @activity.defn
    async def expire_processes(self, progress: ErasureSweepProgress) -> ErasurePage:
        """Write the tombstones of a page of processes whose retention period is over.

        Held processes and those with an open run are left alone.
        """
        if self._retention is None:
            return ErasurePage(())
        # Two clocks: one that is ahead would erase for good what is still needed.
        before = min(datetime.now(UTC), activity.info().scheduled_time) - self._retention
        after = None
        if progress.after_created_at:
            after = (datetime.fromisoformat(progress.after_created_at), progress.after_number)
        with translating_infrastructure_errors():
            numbers, following = await self._catalog.erasures.list_expired(
                before=before, after=after, limit=_CANDIDATES_PER_PAGE
            )
            expired = [number for number in numbers if await self._expire(number, before)]
        if following is None:
            return ErasurePage(tuple(expired))
        created_at, number = following
        return ErasurePage(
            tuple(expired), replace(progress, after_created_at=created_at.isoformat(), after_number=number)
        )

    async def _expire(self, number: str, before: datetime) -> bool:
        """Write the tombstone of a process. Returns False if it is active or held."""
        if await self._runs.find_open(ProcessNumber.parse(number)) is not None:
            return False
        erasure = await self._catalog.erasures.expire(number, before=before)
        if erasure is not None:
            _log.info("retention period over", process=number)
        return erasure is not None
