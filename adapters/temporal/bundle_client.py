"""Builds of bundles in Temporal."""

from __future__ import annotations

from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError

from adapters.temporal.errors import CALL_TIMEOUT, is_not_found, translating_temporal_errors
from domain.bundle_messages import BundleRequest
from workflows.build_bundle import BuildBundle
from workflows.starts import build_bundle_options, bundle_workflow_id


class BundleClient:
    """Temporal's part of bundles.

    Every method raises:
        DependencyUnavailable: Temporal does not answer.

    Args:
        client: The connection to Temporal.
    """

    def __init__(self, client: Client) -> None:
        self._client = client

    async def start(self, request: BundleRequest, client: str) -> bool:
        """Start the build of a bundle, unless one is open or has ended without an error.

        Args:
            request: The workflow's argument.
            client: Who asks for it.

        Returns:
            Whether a build is open now. False if there is none, because the last one ended without an error or at
            this moment: only the catalog tells whether there is anything to build.
        """
        if await self._start(request, client, WorkflowIDReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY):
            return True
        return await self.is_open(request.bundle_id)

    async def start_again(self, request: BundleRequest, client: str, *, replace: bool = False) -> None:
        """Start another build of a bundle. No effect while one is open.

        Args:
            request: The workflow's argument.
            client: Who asks for it.
            replace: The build before has recorded its failure. If it is still open, it is ended; what it has not
                announced by then, `SweepDeliveries` sends.
        """
        conflict = WorkflowIDConflictPolicy.TERMINATE_EXISTING if replace else WorkflowIDConflictPolicy.FAIL
        await self._start(request, client, WorkflowIDReusePolicy.ALLOW_DUPLICATE, conflict)

    async def is_open(self, bundle_id: str) -> bool:
        """Return whether somebody works on a bundle, or will."""
        try:
            async with translating_temporal_errors(of_a_run=True):
                handle = self._client.get_workflow_handle(bundle_workflow_id(bundle_id))
                execution = await handle.describe(rpc_timeout=CALL_TIMEOUT)
        except RPCError as error:
            if not is_not_found(error):
                raise
            return False
        return execution.status is WorkflowExecutionStatus.RUNNING

    async def _start(
        self,
        request: BundleRequest,
        client: str,
        reuse: WorkflowIDReusePolicy,
        conflict: WorkflowIDConflictPolicy = WorkflowIDConflictPolicy.FAIL,
    ) -> bool:
        """Return whether an execution was started."""
        async with translating_temporal_errors():
            try:
                await self._client.start_workflow(
                    BuildBundle.run,
                    request,
                    id_reuse_policy=reuse,
                    id_conflict_policy=conflict,
                    rpc_timeout=CALL_TIMEOUT,
                    **build_bundle_options(request, client),
                )
            except WorkflowAlreadyStartedError:
                return False
        return True
