"""Prune what is older than its retention."""

from __future__ import annotations

from temporalio import workflow

from workflows.details import ended_sweep_details
from workflows.options import CATALOG

with workflow.unsafe.imports_passed_through():
    from activities.history import HistoryActivities
    from domain.history import HistoryKind, HistoryProgress
    from domain.text import counted

# A sweep of the version before ends without this kind.
_PRUNES_EVENTS = "prunes events"


@workflow.defn
class SweepHistory:
    """One sweep over every kind of history. A schedule starts it every six hours."""

    @workflow.run
    async def run(self, progress: HistoryProgress = HistoryProgress()) -> int:  # noqa: B008 - frozen.
        """Sweep. Returns how many rows were pruned."""
        while progress.request is not None:
            part = await workflow.execute_activity_method(
                HistoryActivities.prune_history, progress.request, summary=f"old {progress.request.kind}", **CATALOG
            )
            progress = progress.after(progress.request, part)
            is_new_kind = progress.request is not None and progress.request.kind is HistoryKind.EVENTS
            if is_new_kind and not workflow.patched(_PRUNES_EVENTS):
                break
            if progress.request is not None and workflow.info().is_continue_as_new_suggested():
                workflow.continue_as_new(progress)
        workflow.set_current_details(
            ended_sweep_details(f"{counted(progress.rows, 'row')} pruned that were older than their retention.")
        )
        return progress.rows
