"""Starting, joining and finding runs in Temporal."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowUpdateFailedError
from temporalio.common import (
    Priority,
    SearchAttributePair,
    TypedSearchAttributes,
    WorkflowIDConflictPolicy,
    WorkflowIDReusePolicy,
)
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError

from api.temporal_calls import CALL_TIMEOUT, LONGEST_WAIT_SECONDS, Turns, bounded, is_gone
from domain.completeness import Decision, Phase
from domain.errors import DependencyUnavailable
from domain.messages import DeliveryRef, DeliveryRequest, DocumentChoice, DownloadRequest
from domain.process_number import ProcessNumber
from workflows.deliver_webhook import DeliverWebhook
from workflows.download_process import DownloadProcess
from workflows.options import DEFAULT_PRIORITY, PROCESSES_QUEUE
from workflows.search_attributes import CHOSEN_DOCUMENTS, CLIENT, COURT, PHASE

# What a call to Temporal may take is counted from when it is made: more at once would wait for each other there.
_STARTS_AT_ONCE = 16
# A worker has to answer, which may have much to do.
_WIDEN_SECONDS = 6.0
_CLOSING_SECONDS = 2.0
_CLOSING_PROBE_SECONDS = 0.02


# Whether a run has said how it ended, as the catalog knows: Temporal may have it open for a moment more.
IsOver: TypeAlias = Callable[[str], Awaitable[bool]]
# Whether a run has ended since a request came in, and has done what the request asks.
IsOvertaken: TypeAlias = Callable[[], Awaitable[bool]]


@dataclass(frozen=True, slots=True)
class OpenRun:
    """A run that Temporal has open.

    Attributes:
        id: of its first execution, the same over every continue-as-new.
        client: the name of the client that started it.
        chosen_documents: how many documents it is for; none if it is for all.
    """

    id: str
    started_at: datetime
    phase: Phase
    client: str = ""
    chosen_documents: int | None = None


@dataclass(frozen=True, slots=True)
class StartedRun:
    """What asking for a run led to.

    Attributes:
        decision: ``started``, or ``active`` if one was open already.
        run: the run.
        document_ids: what it was started for. Empty means all, or that it was joined.
    """

    decision: Decision
    run: OpenRun
    document_ids: tuple[str, ...] = ()


class Overtaken(Exception):
    """A run that was open when it was asked for has ended since, and has done what was asked for."""


class Runs:
    """Runs as Temporal knows them."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._starts = Turns(_STARTS_AT_ONCE)

    async def start(
        self,
        request: DownloadRequest,
        *,
        is_over: IsOver,
        is_overtaken: IsOvertaken | None = None,
        retry_named: bool = False,
        priority: int = DEFAULT_PRIORITY,
    ) -> StartedRun:
        """Start a run unless one is open: Temporal refuses a second one with the same id. Otherwise join that one.

        Args:
            request: the run. One that is open for chosen documents takes those of the request too; clients get
                their fair shares of the workers.
            is_over: a run that is over is not joined, since it takes no document any more and may have told the
                caller already. Once Temporal has closed it as well, a new one is started.
            is_overtaken: whether the run that could not be joined has done what is asked for. Asked before another
                one is started in its place.
            retry_named: have an open run for all documents try those again that the request names.
            priority: 1 is served first, 5 last.

        Raises:
            Overtaken: the run has done it; nothing was started.
            DependencyUnavailable: Temporal does not answer, or no worker does that would let a run take more.
        """
        number = ProcessNumber.parse(request.process_number)
        deadline = asyncio.get_running_loop().time() + LONGEST_WAIT_SECONDS
        async with self._starts.turn():
            while asyncio.get_running_loop().time() < deadline:
                with suppress(WorkflowAlreadyStartedError):
                    return await self._start_new(number, request, priority)
                joined = await self._join(number, request.document_ids, is_over, retry_named=retry_named)
                if joined is not None:
                    return StartedRun(Decision.ACTIVE, joined)
                # It has ended meanwhile, or is about to: then another does what is asked for, unless it has.
                await asyncio.sleep(_CLOSING_PROBE_SECONDS)
                if is_overtaken is not None and await is_overtaken():
                    raise Overtaken
        raise DependencyUnavailable("temporal", "A run for this process is ending; it takes longer than usual.")

    async def _start_new(self, number: ProcessNumber, request: DownloadRequest, priority: int) -> StartedRun:
        client, chosen = request.client, len(request.document_ids) or None
        attributes = [SearchAttributePair(COURT, number.court), SearchAttributePair(CLIENT, client)]
        async with bounded():
            handle = await self._client.start_workflow(
                DownloadProcess.run,
                request,
                id=number.canonical,
                task_queue=PROCESSES_QUEUE,
                id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
                id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
                search_attributes=TypedSearchAttributes(attributes),
                memo={CHOSEN_DOCUMENTS: chosen} if chosen else None,
                static_summary=f"{number.court} · {number}",
                static_details="Downloads every document of this process that is not stored yet.",
                priority=Priority(priority_key=priority, fairness_key=client),
                rpc_timeout=CALL_TIMEOUT,
            )
        run = OpenRun(handle.first_execution_run_id or "", datetime.now(UTC), Phase.LISTING, client, chosen)
        return StartedRun(Decision.STARTED, run, request.document_ids)

    async def find_open(self, number: ProcessNumber) -> OpenRun | None:
        """The open run of a process, or none.

        Raises:
            DependencyUnavailable: Temporal does not answer.
        """
        async with bounded(of_a_run=True):
            try:
                run = await self._client.get_workflow_handle(number.canonical).describe(rpc_timeout=CALL_TIMEOUT)
            except RPCError as error:
                if is_gone(error):
                    return None
                raise
            if run.status is not WorkflowExecutionStatus.RUNNING:
                return None
            phase = run.typed_search_attributes.get(PHASE)
            return OpenRun(
                id=run.raw_description.workflow_execution_info.first_run_id or run.run_id,
                started_at=run.start_time,
                phase=Phase(phase) if phase else Phase.LISTING,
                client=run.typed_search_attributes.get(CLIENT) or "",
                chosen_documents=(await run.memo()).get(CHOSEN_DOCUMENTS) or None,
            )

    async def closed(self, number: ProcessNumber) -> bool:
        """Wait, a moment at most, until Temporal has no run of a process open; return whether it has none.

        Raises:
            DependencyUnavailable: Temporal does not answer.
        """
        deadline = asyncio.get_running_loop().time() + _CLOSING_SECONDS
        while asyncio.get_running_loop().time() < deadline:
            if await self.find_open(number) is None:
                return True
            await asyncio.sleep(_CLOSING_PROBE_SECONDS)
        return False

    async def deliver(self, delivery: DeliveryRef) -> None:
        """Have a subscriber told of an event, as a run does for its own. Asking again changes nothing.

        Raises:
            DependencyUnavailable: Temporal does not answer.
        """
        again = delivery.first_attempt > 1
        async with bounded():
            with suppress(WorkflowAlreadyStartedError):
                await self._client.start_workflow(
                    DeliverWebhook.run,
                    DeliveryRequest(delivery.id, delivery.first_attempt),
                    id=f"webhook-{delivery.id}",
                    task_queue=PROCESSES_QUEUE,
                    id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
                    # What is sent again had ended: an execution that is left has nothing more to do.
                    id_conflict_policy=WorkflowIDConflictPolicy.TERMINATE_EXISTING
                    if again
                    else WorkflowIDConflictPolicy.FAIL,
                    rpc_timeout=CALL_TIMEOUT,
                )

    async def check(self) -> None:
        """Ask Temporal for a sign of life.

        Raises:
            DependencyUnavailable: there is none, or the namespace is missing.
        """
        request = DescribeNamespaceRequest(namespace=self._client.namespace)
        try:
            async with bounded(of_a_run=True):
                if not await self._client.service_client.check_health(timeout=CALL_TIMEOUT):
                    raise DependencyUnavailable("temporal", "Temporal is not serving.")
                await self._client.workflow_service.describe_namespace(request, timeout=CALL_TIMEOUT)
        except RPCError:
            raise DependencyUnavailable(
                "temporal", f"Temporal has no namespace {self._client.namespace}: see TEMPORAL_NAMESPACE."
            ) from None

    async def _join(
        self, number: ProcessNumber, document_ids: Sequence[str], is_over: IsOver, *, retry_named: bool
    ) -> OpenRun | None:
        """Return the open run, once it does what is asked for; None if it has ended or takes nothing more."""
        run = await self.find_open(number)
        if run is None or await is_over(run.id):
            return None
        if not run.chosen_documents and not retry_named:
            return run
        # The same choice is the same update, however often a client asks.
        digest = hashlib.sha256(" ".join(sorted(document_ids)).encode()).hexdigest()[:32]
        try:
            async with bounded(_WIDEN_SECONDS, of_a_run=True):
                await self._client.get_workflow_handle(number.canonical).execute_update(
                    DownloadProcess.widen,
                    DocumentChoice(tuple(document_ids)),
                    id=f"widen-{digest}",
                    rpc_timeout=timedelta(seconds=_WIDEN_SECONDS),
                )
        except RPCError as error:
            if is_gone(error):
                return None
            raise
        except WorkflowUpdateFailedError:
            return None
        return run if document_ids else replace(run, chosen_documents=None)
