"""Erase everything of one process."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from temporalio import workflow

from workflows.details import erasure_details
from workflows.options import CATALOG, ERASING, HEARTBEAT_TIMEOUT

with workflow.unsafe.imports_passed_through():
    from activities.erasure import ErasureActivities
    from domain.erasure_messages import ErasureRequest, RunStop, StoppedRun

# How often a run is cancelled before it is terminated. Each time, the activity waits a few seconds for its end.
_CANCELLATIONS = 8
_CANCEL_PAUSE = timedelta(seconds=3)
_ROUND_PAUSE_SECONDS = 1.0
_MAX_ROUND_PAUSE_SECONDS = 300.0


@workflow.defn
class EraseProcess:
    """The erasure of one process, id ``erase-<number>``. The tombstone is in the catalog before it starts.

    It ends the open run, and erases objects, deliveries, rows and executions, round after round until a round finds
    nothing. Every step can be repeated, so it continues after a crash at any point.
    """

    @workflow.run
    async def run(self, request: ErasureRequest) -> int:
        """Erase. Returns the number of rounds."""
        while True:
            stopped = await self._stop_run(request)
            found = await self._erase_once(request)
            request = replace(request, rounds=request.rounds + 1)
            if not found and not stopped.recently_active and not await self._find_rest(request):
                break
            workflow.set_current_details(erasure_details(request.rounds, found))
            if workflow.info().is_continue_as_new_suggested():
                workflow.continue_as_new(request)
            await workflow.sleep(_pause_after(request.rounds, stopped), summary="before looking again")
        workflow.set_current_details(erasure_details(request.rounds, 0))
        return request.rounds

    async def _find_rest(self, request: ErasureRequest) -> bool:
        """Complete the receipt. Returns True, and does not, if there are rows of the process again."""
        return await workflow.execute_activity_method(
            ErasureActivities.complete_erasure, request, summary="receipt", **CATALOG
        )

    async def _stop_run(self, request: ErasureRequest) -> StoppedRun:
        """Cancel the open run, and terminate it if it does not end."""
        active = False
        looks = 0
        while True:
            stop = RunStop(request.process_number, terminate=looks >= _CANCELLATIONS)
            stopped = await workflow.execute_activity_method(
                ErasureActivities.stop_run, stop, summary="end of the open run", **CATALOG
            )
            active = active or stopped.recently_active
            if stopped.closed:
                return StoppedRun(closed=True, recently_active=active)
            looks += 1
            await workflow.sleep(_CANCEL_PAUSE, summary="until the run has ended")

    async def _erase_once(self, request: ErasureRequest) -> int:
        """Erase what there is. Returns how much was found."""
        objects = await workflow.execute_activity_method(
            ErasureActivities.erase_objects, request, summary="objects", **ERASING
        )
        found = objects.found
        while True:
            deliveries = await workflow.execute_activity_method(
                ErasureActivities.erase_deliveries, request, summary="webhook deliveries", **ERASING
            )
            found += deliveries.found
            if not deliveries.found:
                break
        for step, summary in (
            (ErasureActivities.erase_rows, "rows"),
            (ErasureActivities.erase_executions, "executions"),
        ):
            remains = await workflow.execute_activity_method(step, request, summary=summary, **ERASING)
            found += remains.found
        return found


def _pause_after(rounds: int, stopped: StoppedRun) -> timedelta:
    """Return the pause before the next round.

    A worker that no longer hears from Temporal stops its downloads after the heartbeat timeout.
    """
    if stopped.recently_active:
        return HEARTBEAT_TIMEOUT
    seconds = _ROUND_PAUSE_SECONDS * 2.0 ** min(rounds - 1, 10)
    return timedelta(seconds=min(seconds, _MAX_ROUND_PAUSE_SECONDS))
