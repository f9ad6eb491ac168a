"""Reach the court monitor, and the runs that wait for the court."""

from __future__ import annotations

from collections.abc import Callable

from temporalio.client import Client
from temporalio.common import WorkflowIDReusePolicy
from temporalio.service import RPCError

from adapters.temporal.errors import (
    BACKGROUND_CALL_TIMEOUT,
    is_not_found,
    to_dependency_unavailable,
    translating_temporal_errors,
)
from domain.completeness import Phase
from workflows.download_process import DownloadProcess
from workflows.monitor_court import MonitorCourt
from workflows.starts import monitor_court_options

# A paused run may be waiting for the court as well. One that is not ignores the signal.
_WAITING_RUNS = (
    "WorkflowType = 'DownloadProcess' AND ExecutionStatus = 'Running' "
    f"AND Phase IN ('{Phase.WAITING_FOR_COURT}', '{Phase.PAUSED}')"
)


class MonitorClient:
    """The workflow ``MonitorCourt``, and the runs that wait for its findings.

    Args:
        client: The connection to Temporal.
    """

    def __init__(self, client: Client) -> None:
        self._client = client

    async def request_check(self, *, seconds: float | None = None) -> None:
        """Have the monitor check the court and its credentials now. Starts the monitor if it is not running.

        Args:
            seconds: How long this may take. None means as long as a client's request may wait for Temporal.

        Raises:
            DependencyUnavailable: Temporal does not answer in time.
        """
        async with translating_temporal_errors(seconds):
            await self._client.start_workflow(
                MonitorCourt.run,
                id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
                start_signal=MonitorCourt.look.__name__,
                rpc_timeout=BACKGROUND_CALL_TIMEOUT,
                **monitor_court_options(),
            )

    async def wake_waiting_runs(self, heartbeat: Callable[[int], None]) -> int:
        """Signal every run that waits for the court. Return how many there were.

        Args:
            heartbeat: Called with the count after each run.

        Raises:
            DependencyUnavailable: Temporal does not answer.
        """
        woken = 0
        try:
            async for run in self._client.list_workflows(_WAITING_RUNS, rpc_timeout=BACKGROUND_CALL_TIMEOUT):
                try:
                    await self._client.get_workflow_handle(run.id).signal(
                        DownloadProcess.court_answers, rpc_timeout=BACKGROUND_CALL_TIMEOUT
                    )
                except RPCError as error:
                    # It has ended since it was listed.
                    if not is_not_found(error):
                        raise
                else:
                    woken += 1
                heartbeat(woken)
        except (RPCError, RuntimeError) as error:
            raise to_dependency_unavailable(error) from None
        return woken
