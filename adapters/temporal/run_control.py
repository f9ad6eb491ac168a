"""Pause, resume, retry and cancel an open run, by the same updates that operators send from the Temporal UI."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from temporalio.client import Client, WorkflowUpdateFailedError
from temporalio.service import RPCError

from adapters.temporal.errors import CALL_TIMEOUT, translating_temporal_errors
from domain.open_runs import NoOpenRun, RunIsFinishing
from domain.process_number import ProcessNumber
from workflows.download_process import DownloadProcess

# The workflow has to answer an update, and with it a worker that may be busy.
_UPDATE_TIMEOUT = timedelta(seconds=8)
_TOTAL_SECONDS = 10.0


class RunControlClient:
    """Controls open runs. Every method may be repeated without harm.

    Every method raises:
        NoOpenRun: No run is open.
        RunIsFinishing: The open run is finishing.
        DependencyUnavailable: Temporal does not answer, or no worker does. The act may still take place.
    """

    def __init__(self, client: Client) -> None:
        self._client = client

    async def pause(self, number: ProcessNumber) -> None:
        """Pause the run: it starts no further download."""
        async with _translating_refusals(number):
            await self._client.get_workflow_handle(number.canonical).execute_update(
                DownloadProcess.pause, rpc_timeout=_UPDATE_TIMEOUT
            )

    async def resume(self, number: ProcessNumber) -> None:
        """Resume a paused run."""
        async with _translating_refusals(number):
            await self._client.get_workflow_handle(number.canonical).execute_update(
                DownloadProcess.resume, rpc_timeout=_UPDATE_TIMEOUT
            )

    async def retry_failed(self, number: ProcessNumber) -> int:
        """Let the run try its failed documents again. Return how many there are."""
        async with _translating_refusals(number):
            return await self._client.get_workflow_handle(number.canonical).execute_update(
                DownloadProcess.retry_failed, rpc_timeout=_UPDATE_TIMEOUT
            )

    async def cancel(self, number: ProcessNumber) -> None:
        """Request cancellation. The run stops its downloads, records its end and notifies its subscribers."""
        async with _translating_refusals(number):
            await self._client.get_workflow_handle(number.canonical).cancel(rpc_timeout=CALL_TIMEOUT)


@asynccontextmanager
async def _translating_refusals(number: ProcessNumber) -> AsyncIterator[None]:
    try:
        async with translating_temporal_errors(_TOTAL_SECONDS, of_a_run=True):
            yield
    except WorkflowUpdateFailedError:
        # The update validators refuse for this reason alone, and so does a run that ends before the update.
        raise RunIsFinishing(f"The run for {number} is finishing. Ask again when it has ended.") from None
    except RPCError:
        raise NoOpenRun(f"No run is open for {number}.") from None
