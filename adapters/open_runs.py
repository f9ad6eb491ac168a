"""Which runs Temporal has open, for activities."""

from __future__ import annotations

from datetime import timedelta

from temporalio.client import Client, WorkflowExecutionDescription, WorkflowExecutionStatus
from temporalio.common import SearchAttributeKey
from temporalio.service import RPCError, RPCStatusCode

from domain.errors import DependencyUnavailable
from domain.processes import Run

_CALL_TIMEOUT = timedelta(seconds=5)
_CLIENT = SearchAttributeKey.for_keyword("Client")
_CHOSEN_DOCUMENTS = "chosen_documents"


class OpenRuns:
    """Runs as Temporal knows them.

    Args:
        client: Temporal.
    """

    def __init__(self, client: Client) -> None:
        self._client = client

    async def find(self, number: str) -> Run | None:
        """Return the open run of a process, or None.

        Raises:
            DependencyUnavailable: Temporal does not answer.
        """
        execution = await self._describe(number, None)
        if execution is None or execution.status is not WorkflowExecutionStatus.RUNNING:
            return None
        return Run(
            id=_run_id(execution),
            client=execution.typed_search_attributes.get(_CLIENT) or "",
            started_at=execution.start_time,
            chosen_documents=(await execution.memo()).get(_CHOSEN_DOCUMENTS) or None,
        )

    async def run_of(self, number: str, execution_id: str) -> str | None:
        """Return the id of the run that an execution belongs to; None if Temporal has forgotten the execution.

        Raises:
            DependencyUnavailable: Temporal does not answer.
        """
        execution = await self._describe(number, execution_id)
        return None if execution is None else _run_id(execution)

    async def _describe(self, number: str, execution_id: str | None) -> WorkflowExecutionDescription | None:
        handle = self._client.get_workflow_handle(number, run_id=execution_id)
        try:
            return await handle.describe(rpc_timeout=_CALL_TIMEOUT)
        except (RPCError, RuntimeError) as error:
            if isinstance(error, RPCError) and error.status is RPCStatusCode.NOT_FOUND:
                return None
            reason = error.status.name if isinstance(error, RPCError) else type(error).__name__
            raise DependencyUnavailable("temporal", f"Temporal does not answer ({reason}).") from None


def _run_id(execution: WorkflowExecutionDescription) -> str:
    """Return the id of the first execution: the same over every continue-as-new and every reset."""
    return execution.raw_description.workflow_execution_info.first_run_id or execution.run_id
