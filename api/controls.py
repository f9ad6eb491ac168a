"""Acting on a run that is open: the same updates that operators send from the Temporal UI."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from temporalio.client import Client, WorkflowUpdateFailedError
from temporalio.service import RPCError

from api.problem_codes import ProblemCode
from api.problems import Problem
from api.temporal_calls import CALL_TIMEOUT, bounded, is_gone
from domain.process_number import ProcessNumber
from workflows.download_process import DownloadProcess

# A run has to answer, and with it a worker that may have much to do.
_UPDATE_TIMEOUT = timedelta(seconds=8)
_TOTAL_SECONDS = 10.0


class Controls:
    """Acts on open runs. Each act may be repeated without harm.

    Every act raises:
        Problem: 409 if no run is open, or if it is finishing.
        DependencyUnavailable: Temporal does not answer, or no worker does. The act may still take place.
    """

    def __init__(self, client: Client) -> None:
        self._client = client

    async def pause(self, number: ProcessNumber) -> None:
        """Have the run take no further document."""
        async with _acting(number):
            await self._client.get_workflow_handle(number.canonical).execute_update(
                DownloadProcess.pause, rpc_timeout=_UPDATE_TIMEOUT
            )

    async def resume(self, number: ProcessNumber) -> None:
        """Have the run go on."""
        async with _acting(number):
            await self._client.get_workflow_handle(number.canonical).execute_update(
                DownloadProcess.resume, rpc_timeout=_UPDATE_TIMEOUT
            )

    async def retry_failed(self, number: ProcessNumber) -> int:
        """Have the run try its failed documents again; how many."""
        async with _acting(number):
            return await self._client.get_workflow_handle(number.canonical).execute_update(
                DownloadProcess.retry_failed, rpc_timeout=_UPDATE_TIMEOUT
            )

    async def cancel(self, number: ProcessNumber) -> None:
        """Ask the run to end. It lets the documents on their way go, and has its subscribers told."""
        async with _acting(number):
            await self._client.get_workflow_handle(number.canonical).cancel(rpc_timeout=CALL_TIMEOUT)


def no_open_run(number: ProcessNumber, status: str | None = None) -> Problem:
    """That there is nothing to act on."""
    named = f" It is {status}." if status else ""
    return Problem(ProblemCode.NO_OPEN_RUN, f"No run is open for {number}.{named} Ask for a download to start one.")


@asynccontextmanager
async def _acting(number: ProcessNumber) -> AsyncIterator[None]:
    async with bounded(_TOTAL_SECONDS, of_a_run=True):
        try:
            yield
        except WorkflowUpdateFailedError:
            # The validators refuse for this reason alone, and so does a run that ends with an update at its door.
            raise Problem(
                ProblemCode.RUN_FINISHING, f"The run for {number} is finishing. Ask again when it has ended."
            ) from None
        except RPCError as error:
            if is_gone(error):
                raise no_open_run(number) from None
            raise
