"""Start, join and find runs in Temporal."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import (
    Client,
    WorkflowExecutionDescription,
    WorkflowExecutionStatus,
    WorkflowUpdateFailedError,
)
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError

from adapters.temporal.errors import CALL_TIMEOUT, translating_temporal_errors
from domain.completeness import Decision, Phase
from domain.delivery_messages import DeliveryRef
from domain.errors import DependencyUnavailable
from domain.fair_semaphore import LONGEST_WAIT_SECONDS, FairSemaphore
from domain.open_runs import OpenRun, RunAlreadyAnswered, StartedRun
from domain.process_number import ProcessNumber
from domain.run_messages import DocumentChoice, DownloadRequest, count_chosen, read_chosen_count
from workflows.deliver_webhook import DeliverWebhook
from workflows.download_process import DownloadProcess
from workflows.options import DEFAULT_PRIORITY, WATCH_PRIORITY
from workflows.search_attributes import CHOSEN_DOCUMENTS, CLIENT, PHASE
from workflows.starts import deliver_webhook_options, delivery_request, download_process_options

# The time limit of a call begins when it is made: more calls at once would wait for each other inside Temporal.
_CONCURRENT_STARTS = 16
# A worker has to answer the update, and may be busy.
_WIDEN_SECONDS = 6.0
_CLOSING_SECONDS = 2.0
_CLOSING_POLL_SECONDS = 0.02

# Return whether the catalog knows how a run ended. Temporal may have it open for a moment longer.
IsOver: TypeAlias = Callable[[str], Awaitable[bool]]
# Return whether a run has ended since the request came in, and has done what the request asks for.
IsAnswered: TypeAlias = Callable[[], Awaitable[bool]]


class RunClient:
    """Temporal's runs of ``DownloadProcess``, and the deliveries that requests start.

    Args:
        client: The connection to Temporal.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._starts = FairSemaphore(_CONCURRENT_STARTS)

    async def start(
        self,
        request: DownloadRequest,
        *,
        is_over: IsOver,
        is_answered: IsAnswered | None = None,
        retry_named: bool = False,
        priority: int = DEFAULT_PRIORITY,
    ) -> StartedRun:
        """Start a run, or join the open one: Temporal refuses a second workflow with the same id.

        Args:
            request: The run. An open run for chosen documents is widened by the documents of the request.
            is_over: A run that is over is not joined: it takes no further document and may have notified its
                subscribers already. Once Temporal has closed it too, a new run is started.
            is_answered: Called before a run is started in place of one that could not be joined.
            retry_named: True lets an open run for all documents retry those that the request names.
            priority: 1 is served first, 5 last.

        Raises:
            RunAlreadyAnswered: ``is_answered`` returned True; nothing was started.
            DependencyUnavailable: Temporal does not answer, or no worker does that would widen the run.
        """
        number = ProcessNumber.parse(request.process_number)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + LONGEST_WAIT_SECONDS
        async with self._starts.slot():
            while loop.time() < deadline:
                with suppress(WorkflowAlreadyStartedError):
                    return await self._start_new(request, priority)
                joined = await self._join(number, request.document_ids, is_over, retry_named=retry_named)
                if joined is not None:
                    return StartedRun(Decision.ACTIVE, joined)
                # The run has ended meanwhile or is about to.
                await asyncio.sleep(_CLOSING_POLL_SECONDS)
                if is_answered is not None and await is_answered():
                    raise RunAlreadyAnswered
        raise DependencyUnavailable("temporal", "A run for this process is ending; it takes longer than usual.")

    async def start_look(self, request: DownloadRequest) -> bool:
        """Start a run behind all others, unless the process has an open one. Returns whether it was started.

        Raises:
            DependencyUnavailable: Temporal does not answer.
        """
        async with self._starts.slot():
            try:
                await self._start_new(request, WATCH_PRIORITY)
            except WorkflowAlreadyStartedError:
                return False
        return True

    async def _start_new(self, request: DownloadRequest, priority: int) -> StartedRun:
        async with translating_temporal_errors():
            handle = await self._client.start_workflow(
                DownloadProcess.run,
                request,
                id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
                id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
                rpc_timeout=CALL_TIMEOUT,
                **download_process_options(request, priority),
            )
        run = OpenRun(
            handle.first_execution_run_id or "",
            datetime.now(UTC),
            Phase.LISTING,
            request.client,
            read_chosen_count(count_chosen(request.document_ids)),
        )
        return StartedRun(Decision.STARTED, run, request.document_ids)

    async def find_open(self, number: ProcessNumber) -> OpenRun | None:
        """Return the open run of a process, or None.

        Raises:
            DependencyUnavailable: Temporal does not answer.
        """
        execution = await self._describe(number.canonical)
        if execution is None or execution.status is not WorkflowExecutionStatus.RUNNING:
            return None
        phase = execution.typed_search_attributes.get(PHASE)
        return OpenRun(
            id=_run_id_of(execution),
            started_at=execution.start_time,
            phase=Phase(phase) if phase else Phase.LISTING,
            client=execution.typed_search_attributes.get(CLIENT) or "",
            chosen_documents=read_chosen_count((await execution.memo()).get(CHOSEN_DOCUMENTS)),
        )

    async def find_run_id(self, number: ProcessNumber, execution_id: str) -> str | None:
        """Return the id of the run that an execution belongs to, or None if Temporal has forgotten the execution.

        Raises:
            DependencyUnavailable: Temporal does not answer.
        """
        execution = await self._describe(number.canonical, execution_id)
        return None if execution is None else _run_id_of(execution)

    async def wait_until_closed(self, number: ProcessNumber) -> bool:
        """Wait up to two seconds until Temporal has no open run of a process. Return whether it has none.

        Raises:
            DependencyUnavailable: Temporal does not answer.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _CLOSING_SECONDS
        while loop.time() < deadline:
            if await self.find_open(number) is None:
                return True
            await asyncio.sleep(_CLOSING_POLL_SECONDS)
        return False

    async def start_delivery(self, delivery: DeliveryRef) -> None:
        """Start the workflow that sends an event to its subscriber. Repeating the call changes nothing.

        Raises:
            DependencyUnavailable: Temporal does not answer.
        """
        is_redelivery = delivery.first_attempt > 1
        async with translating_temporal_errors():
            with suppress(WorkflowAlreadyStartedError):
                await self._client.start_workflow(
                    DeliverWebhook.run,
                    delivery_request(delivery),
                    id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
                    # An earlier delivery had ended: an execution that is still open has nothing left to do.
                    id_conflict_policy=WorkflowIDConflictPolicy.TERMINATE_EXISTING
                    if is_redelivery
                    else WorkflowIDConflictPolicy.FAIL,
                    rpc_timeout=CALL_TIMEOUT,
                    **deliver_webhook_options(delivery.id),
                )

    async def check_health(self) -> None:
        """Check that Temporal serves our namespace.

        Raises:
            DependencyUnavailable: It does not.
        """
        request = DescribeNamespaceRequest(namespace=self._client.namespace)
        try:
            async with translating_temporal_errors(of_a_run=True):
                if not await self._client.service_client.check_health(timeout=CALL_TIMEOUT):
                    raise DependencyUnavailable("temporal", "Temporal is not serving.")
                await self._client.workflow_service.describe_namespace(request, timeout=CALL_TIMEOUT)
        except RPCError:
            raise DependencyUnavailable(
                "temporal", f"Temporal has no namespace {self._client.namespace}: see TEMPORAL_NAMESPACE."
            ) from None

    async def _describe(
        self, workflow_id: str, execution_id: str | None = None
    ) -> WorkflowExecutionDescription | None:
        handle = self._client.get_workflow_handle(workflow_id, run_id=execution_id)
        try:
            async with translating_temporal_errors(of_a_run=True):
                return await handle.describe(rpc_timeout=CALL_TIMEOUT)
        except RPCError:
            return None

    async def _join(
        self, number: ProcessNumber, document_ids: Sequence[str], is_over: IsOver, *, retry_named: bool
    ) -> OpenRun | None:
        """Return the open run once it does what is asked for, or None if it has ended or takes nothing more."""
        run = await self.find_open(number)
        if run is None or await is_over(run.id):
            return None
        if run.chosen_documents is None and not retry_named:
            return run
        # The update's id follows from the choice: asking again for the same documents is the same update.
        digest = hashlib.sha256(" ".join(sorted(document_ids)).encode()).hexdigest()[:32]
        try:
            async with translating_temporal_errors(_WIDEN_SECONDS, of_a_run=True):
                await self._client.get_workflow_handle(number.canonical).execute_update(
                    DownloadProcess.widen,
                    DocumentChoice(tuple(document_ids)),
                    id=f"widen-{digest}",
                    rpc_timeout=timedelta(seconds=_WIDEN_SECONDS),
                )
        except (RPCError, WorkflowUpdateFailedError):
            return None
        return run if document_ids else replace(run, chosen_documents=None)


def _run_id_of(execution: WorkflowExecutionDescription) -> str:
    """Return the id of the first execution: the same over every continue-as-new and every reset."""
    return execution.raw_description.workflow_execution_info.first_run_id or execution.run_id
