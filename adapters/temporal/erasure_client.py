"""Erasures in Temporal: start them, and erase the executions of a process and of its deliveries."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import DeleteWorkflowExecutionRequest
from temporalio.client import Client, WorkflowExecutionDescription, WorkflowExecutionStatus
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError

from adapters.temporal.errors import (
    BACKGROUND_CALL_TIMEOUT,
    CALL_TIMEOUT,
    is_not_found,
    translating_temporal_errors,
)
from domain.erasure_messages import ErasureRequest, StoppedRun
from workflows.erase_process import EraseProcess
from workflows.starts import bundle_workflow_id, deliver_webhook_options, erase_process_options

# A worker that lost its connection may write for so long after its run was ended from outside.
_RECENT = timedelta(minutes=1)
_CLOSING_SECONDS = 4.0
_CLOSING_POLL_SECONDS = 0.1
# Temporal deletes in the background. An execution that closed a moment ago goes only after half a minute, when all
# queues of the server have recorded that they are done with it.
_VANISHING_SECONDS = 60.0
_VANISHING_POLL_SECONDS = 1.0
_REASON = "the process is being erased"


class ErasureClient:
    """Temporal's part of erasures.

    Every method raises:
        DependencyUnavailable: Temporal does not answer.

    Args:
        client: The connection to Temporal.
    """

    def __init__(self, client: Client) -> None:
        self._client = client

    async def start(self, request: ErasureRequest) -> None:
        """Start the workflow of an erasure. No effect while it is open."""
        async with translating_temporal_errors():
            with suppress(WorkflowAlreadyStartedError):
                await self._client.start_workflow(
                    EraseProcess.run,
                    request,
                    id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
                    rpc_timeout=CALL_TIMEOUT,
                    **erase_process_options(request),
                )

    async def stop_run(self, number: str, *, terminate: bool) -> StoppedRun:
        """Cancel or terminate the open run of a process, and wait a few seconds for its end."""
        execution = await self._describe(number)
        if execution is None or execution.status is not WorkflowExecutionStatus.RUNNING:
            return StoppedRun(closed=True, recently_active=execution is not None and _ended_from_outside(execution))
        handle = self._client.get_workflow_handle(number)
        with suppress(RPCError):
            async with translating_temporal_errors(of_a_run=True):
                if terminate:
                    await handle.terminate(reason=_REASON, rpc_timeout=BACKGROUND_CALL_TIMEOUT)
                else:
                    await handle.cancel(rpc_timeout=BACKGROUND_CALL_TIMEOUT)
        return StoppedRun(closed=await self._wait_until_closed(number), recently_active=True)

    async def erase_runs(self, number: str) -> int:
        """Delete every execution of a process's runs, open ones included. Returns how many there were."""
        return await self._erase([number])

    async def erase_deliveries(self, delivery_ids: Sequence[str]) -> int:
        """Delete every execution of these deliveries, open ones included. Returns how many there were."""
        return await self._erase([deliver_webhook_options(each)["id"] for each in delivery_ids])

    async def erase_builds(self, bundle_ids: Sequence[str]) -> int:
        """Delete every execution that builds these bundles, open ones included. Returns how many there were."""
        return await self._erase([bundle_workflow_id(each) for each in bundle_ids])

    async def _erase(self, workflow_ids: Sequence[str]) -> int:
        query = "WorkflowId IN ({})".format(", ".join(f"'{each}'" for each in workflow_ids))
        erased: set[str] = set()
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _VANISHING_SECONDS
        while True:
            listed = [(each.id, each.run_id) async for each in self._client.list_workflows(query)]
            erased.update(run_id for _, run_id in listed)
            exists = any([await self._delete(workflow_id, run_id) for workflow_id, run_id in listed])
            if not exists:
                # The latest executions, which the list may not have yet.
                exists = any([await self._delete(workflow_id) for workflow_id in workflow_ids])
            if not exists or loop.time() > deadline:
                return len(erased)
            await asyncio.sleep(_VANISHING_POLL_SECONDS)

    async def _delete(self, workflow_id: str, run_id: str = "") -> bool:
        """Delete an execution. Return False if it does not exist."""
        request = DeleteWorkflowExecutionRequest(
            namespace=self._client.namespace,
            workflow_execution=WorkflowExecution(workflow_id=workflow_id, run_id=run_id),
        )
        try:
            async with translating_temporal_errors(of_a_run=True):
                await self._client.workflow_service.delete_workflow_execution(
                    request, timeout=BACKGROUND_CALL_TIMEOUT
                )
        except RPCError:
            return False
        return True

    async def _wait_until_closed(self, number: str) -> bool:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _CLOSING_SECONDS
        while True:
            execution = await self._describe(number)
            if execution is None or execution.status is not WorkflowExecutionStatus.RUNNING:
                return True
            if loop.time() > deadline:
                return False
            await asyncio.sleep(_CLOSING_POLL_SECONDS)

    async def _describe(self, number: str) -> WorkflowExecutionDescription | None:
        try:
            async with translating_temporal_errors(of_a_run=True):
                return await self._client.get_workflow_handle(number).describe(rpc_timeout=CALL_TIMEOUT)
        except RPCError as error:
            if not is_not_found(error):
                raise
            return None


def _ended_from_outside(execution: WorkflowExecutionDescription) -> bool:
    """Return whether a run was ended a moment ago without waiting for its activities."""
    closed_at = execution.close_time
    return (
        execution.status is not WorkflowExecutionStatus.COMPLETED
        and closed_at is not None
        and datetime.now(UTC) - closed_at < _RECENT
    )
