"""Speaking to the one workflow that watches the court, and to the runs that wait for it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from temporalio.client import Client
from temporalio.common import WorkflowIDReusePolicy
from temporalio.service import RPCError, RPCStatusCode

from domain.completeness import Phase
from domain.court import WATCH_ID
from domain.errors import DependencyUnavailable

_CALL_TIMEOUT = timedelta(seconds=5)
# A run that is paused may wait for the court behind its pause; to one that does not, the signal says nothing.
_WAITING = (
    "WorkflowType = 'DownloadProcess' AND ExecutionStatus = 'Running' "
    f"AND Phase IN ('{Phase.WAITING_FOR_COURT}', '{Phase.PAUSED}')"
)


class CourtWatch:
    """The watch as the others reach it: workflow ``WatchCourt``, id ``court``.

    Args:
        client: Temporal.
        task_queue: where the watch's workflow runs.
    """

    def __init__(self, client: Client, *, task_queue: str) -> None:
        self._client = client
        self._task_queue = task_queue

    async def look(self) -> None:
        """Have the watch look at the court's condition and at its credentials now; start it if it is not there.

        Raises:
            DependencyUnavailable: Temporal does not answer.
        """
        try:
            await self._client.start_workflow(
                "WatchCourt",
                id=WATCH_ID,
                task_queue=self._task_queue,
                id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
                start_signal="look",
                static_summary="watches the court",
                static_details="Probes the court while it does not answer, and keeps its token alive.",
                rpc_timeout=_CALL_TIMEOUT,
            )
        except (RPCError, RuntimeError) as error:
            raise _unavailable(error) from None

    async def wake_waiting_runs(self, beat: Callable[[int], None]) -> int:
        """Tell every run that waits for the court to look again. Gives how many.

        Args:
            beat: called with the count after each.

        Raises:
            DependencyUnavailable: Temporal does not answer.
        """
        woken = 0
        try:
            async for run in self._client.list_workflows(_WAITING, rpc_timeout=_CALL_TIMEOUT):
                try:
                    await self._client.get_workflow_handle(run.id).signal(
                        "court_answers", rpc_timeout=_CALL_TIMEOUT
                    )
                except RPCError as error:
                    # It has ended since it was listed.
                    if error.status is not RPCStatusCode.NOT_FOUND:
                        raise
                else:
                    woken += 1
                beat(woken)
        except (RPCError, RuntimeError) as error:
            raise _unavailable(error) from None
        return woken


def _unavailable(error: RPCError | RuntimeError) -> DependencyUnavailable:
    reason = error.status.name if isinstance(error, RPCError) else type(error).__name__
    return DependencyUnavailable("temporal", f"Temporal does not answer ({reason}).")
