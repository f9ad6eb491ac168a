"""Continue erasures that were left alone, and erase processes whose retention period is over."""

from __future__ import annotations

from dataclasses import replace

from temporalio import workflow
from temporalio.exceptions import WorkflowAlreadyStartedError

from workflows.details import ended_sweep_details
from workflows.erase_process import EraseProcess
from workflows.options import CATALOG
from workflows.starts import erase_process_options

with workflow.unsafe.imports_passed_through():
    from activities.erasure import ErasureActivities
    from domain.erasure_messages import ErasureRequest, ErasureSweepProgress
    from domain.text import counted

# Erasures that one sweep starts. The next sweep starts the others.
_MAX_STARTED = 200


@workflow.defn
class SweepErasures:
    """One sweep. A schedule starts it every ten minutes.

    An API that dies between writing a tombstone and starting its erasure leaves one behind.
    """

    @workflow.run
    async def run(self, progress: ErasureSweepProgress = ErasureSweepProgress()) -> int:  # noqa: B008 - frozen.
        """Sweep. Returns how many erasures were started."""
        while progress.after_erasure is not None:
            page = await workflow.execute_activity_method(
                ErasureActivities.unfinished_erasures, progress, summary="unfinished erasures", **CATALOG
            )
            progress = await self._start(page.process_numbers, page.following or progress)
        following: ErasureSweepProgress | None = progress
        while following is not None and progress.started < _MAX_STARTED:
            page = await workflow.execute_activity_method(
                ErasureActivities.expire_processes, following, summary="processes past retention", **CATALOG
            )
            progress = await self._start(page.process_numbers, page.following or progress)
            following = progress if page.following else None
        workflow.set_current_details(
            ended_sweep_details(f"{counted(progress.started, 'erasure', 'erasures')} started.")
        )
        return progress.started

    async def _start(self, numbers: tuple[str, ...], progress: ErasureSweepProgress) -> ErasureSweepProgress:
        started = [await _start_erasure(ErasureRequest(number)) for number in numbers]
        progress = replace(progress, started=progress.started + sum(started))
        if workflow.info().is_continue_as_new_suggested():
            workflow.continue_as_new(progress)
        return progress


async def _start_erasure(request: ErasureRequest) -> bool:
    """Start an erasure. Returns False if it is open."""
    try:
        await workflow.start_child_workflow(
            EraseProcess.run,
            request,
            parent_close_policy=workflow.ParentClosePolicy.ABANDON,
            **erase_process_options(request),
        )
    except WorkflowAlreadyStartedError:
        return False
    return True
