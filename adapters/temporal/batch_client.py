"""Start batches in Temporal."""

from __future__ import annotations

from contextlib import suppress

from temporalio.client import Client
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError

from adapters.temporal.errors import CALL_TIMEOUT, translating_temporal_errors
from domain.batch_messages import BatchRequest
from workflows.download_batch import DownloadBatch
from workflows.starts import download_batch_options


class BatchClient:
    """Temporal's batches.

    Args:
        client: The connection to Temporal.
    """

    def __init__(self, client: Client) -> None:
        self._client = client

    async def start(self, request: BatchRequest) -> None:
        """Start the workflow of a batch. Repeating the call changes nothing.

        Raises:
            DependencyUnavailable: Temporal does not answer. It may have started the workflow all the same.
        """
        async with translating_temporal_errors():
            with suppress(WorkflowAlreadyStartedError):
                await self._client.start_workflow(
                    DownloadBatch.run,
                    request,
                    id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                    rpc_timeout=CALL_TIMEOUT,
                    **download_batch_options(request),
                )
