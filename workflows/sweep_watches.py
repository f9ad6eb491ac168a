"""Have watched processes looked at."""

from __future__ import annotations

from temporalio import workflow

from workflows.details import ended_sweep_details
from workflows.options import CATALOG

with workflow.unsafe.imports_passed_through():
    from activities.watches import WatchActivities
    from domain.text import counted
    from domain.watch_messages import LooksRequest


@workflow.defn
class SweepWatches:
    """One sweep. A schedule starts it every minute.

    A look is a run like any other: the end of the run tells the watchers what is new.
    """

    @workflow.run
    async def run(self, request: LooksRequest = LooksRequest()) -> int:  # noqa: B008 - frozen.
        """Sweep. Returns how many looks were started."""
        while True:
            page = await workflow.execute_activity_method(
                WatchActivities.start_looks, request, summary="processes to look at", **CATALOG
            )
            request = LooksRequest(request.started + page.started)
            if not page.more:
                break
            if workflow.info().is_continue_as_new_suggested():
                workflow.continue_as_new(request)
        workflow.set_current_details(ended_sweep_details(f"{counted(request.started, 'look')} started."))
        return request.started
