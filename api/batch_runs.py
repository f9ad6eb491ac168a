"""Starting batches in Temporal."""

from __future__ import annotations

from contextlib import suppress

from temporalio.client import Client
from temporalio.common import Priority, SearchAttributePair, TypedSearchAttributes, WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError

from api.temporal_calls import CALL_TIMEOUT, bounded
from domain.batches import BatchRequest
from workflows.download_batch import DownloadBatch
from workflows.options import PROCESSES_QUEUE
from workflows.search_attributes import CLIENT


class BatchRuns:
    """Batches as Temporal knows them."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def start(self, request: BatchRequest) -> None:
        """Have a batch worked off. Asking again changes nothing.

        Raises:
            DependencyUnavailable: Temporal does not answer; it may have heard all the same.
        """
        async with bounded():
            with suppress(WorkflowAlreadyStartedError):
                await self._client.start_workflow(
                    DownloadBatch.run,
                    request,
                    id=f"batch-{request.batch_id}",
                    task_queue=PROCESSES_QUEUE,
                    id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                    search_attributes=TypedSearchAttributes([SearchAttributePair(CLIENT, request.client)]),
                    static_summary=f"a batch of {request.client}",
                    static_details="Starts a run for each process of the batch that needs one, a few at a time.",
                    priority=Priority(priority_key=request.priority, fairness_key=request.client),
                    rpc_timeout=CALL_TIMEOUT,
                )
