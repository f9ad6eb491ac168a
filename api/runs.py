"""Starting, joining and finding runs in Temporal."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

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


# Puts a subscription into the catalog unless it waits there, or the named run, which is for all, has told its end.
Subscribe: TypeAlias = Callable[[str], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class OpenRun:
    """A run that Temporal has open.

    Attributes:
        id: of its first execution, the same over every continue-as-new.
        chosen_documents: how many documents it is for; none if it is for all.
    """

    id: str
    started_at: datetime
    phase: Phase
    chosen_documents: int | None = None


@dataclass(frozen=True, slots=True)
class StartedRun:
    """What asking for a run led to.

    Attributes:
        decision: ``started``, or ``active`` if one was open already.
        run_id: the id of the run's first execution.
        open_run: the run.
    """

    decision: Decision
    run_id: str
    open_run: OpenRun


class Runs:
    """Runs as Temporal knows them."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._starts = Turns(_STARTS_AT_ONCE)

    async def start(
        self,
        number: ProcessNumber,
        client: str,
        *,
        subscribe: Subscribe | None = None,
        document_ids: Sequence[str] = (),
        priority: int = DEFAULT_PRIORITY,
    ) -> StartedRun:
        """Start a run unless one is open: Temporal refuses a second one with the same id. Else join that one.

        Args:
            number: the process, whose number is the workflow's id.
            client: who asks; clients get their fair shares of the workers.
            subscribe: sees to it that a subscription waits in the catalog, where one does already: another run may
                claim it when it ends. An open run is told of it, so that it looks for it even if it has told its
                other subscribers.
            document_ids: the documents that are asked for; none are all. A run that is open for chosen documents
                takes these too.
            priority: 1 is served first, 5 last.

        Raises:
            DependencyUnavailable: Temporal does not answer, or no worker does that would let a run take more.
        """
        deadline = asyncio.get_running_loop().time() + LONGEST_WAIT_SECONDS
        missed: str | None = None
        async with self._starts.turn():
            while asyncio.get_running_loop().time() < deadline:
                try:
                    started = await self._start_new(number, client, document_ids, priority)
                except WorkflowAlreadyStartedError as error:
                    run_id = error.first_run_id or error.run_id or ""
                else:
                    if subscribe is not None:
                        # The end of the run before may have claimed what was waiting. Not sooner than now: the one
                        # that was missed would claim it as well, and go on telling for as long as we subscribe.
                        await subscribe(missed or started.run_id)
                    return started
                joined = await self._join(number, run_id, document_ids, subscribe)
                if joined is not None:
                    return StartedRun(Decision.ACTIVE, run_id, joined)
                # It has ended meanwhile, or is about to: then another does what is asked for.
                missed = run_id
                await asyncio.sleep(_CLOSING_PROBE_SECONDS)
        raise DependencyUnavailable("temporal", "Runs for this process begin and end too quickly to be joined.")

    async def _start_new(
        self, number: ProcessNumber, client: str, document_ids: Sequence[str], priority: int
    ) -> StartedRun:
        attributes = [SearchAttributePair(COURT, number.court), SearchAttributePair(CLIENT, client)]
        chosen = len(document_ids) or None
        async with bounded():
            handle = await self._client.start_workflow(
                DownloadProcess.run,
                DownloadRequest(number.canonical, client, document_ids=tuple(document_ids)),
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
        run_id = handle.first_execution_run_id or ""
        return StartedRun(Decision.STARTED, run_id, OpenRun(run_id, datetime.now(UTC), Phase.LISTING, chosen))

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
                chosen_documents=(await run.memo()).get(CHOSEN_DOCUMENTS) or None,
            )

    async def closed(self, number: ProcessNumber, run_id: str | None = None) -> bool:
        """Wait, a moment at most, until Temporal has closed a run; whether it has.

        A run that has already said how it ended takes no document any more: joining it would lead to nothing.

        Args:
            number: the process.
            run_id: the run; whichever is open unless given.

        Raises:
            DependencyUnavailable: Temporal does not answer.
        """
        deadline = asyncio.get_running_loop().time() + _CLOSING_SECONDS
        while asyncio.get_running_loop().time() < deadline:
            run = await self.find_open(number)
            if run is None or (run_id is not None and run.id != run_id):
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
            DependencyUnavailable: there is none.
        """
        async with bounded():
            if not await self._client.service_client.check_health(timeout=CALL_TIMEOUT):
                raise DependencyUnavailable("temporal", "Temporal is not serving.")

    async def _join(
        self, number: ProcessNumber, run_id: str, document_ids: Sequence[str], subscribe: Subscribe | None
    ) -> OpenRun | None:
        """The open run, once it does what is asked for; none if it has ended or takes nothing more."""
        run = await self.find_open(number)
        if run is None:
            return None
        handle = self._client.get_workflow_handle(number.canonical)
        try:
            if run.chosen_documents:
                # The same choice is the same update, however often a client asks.
                digest = hashlib.sha256(" ".join(sorted(document_ids)).encode()).hexdigest()[:32]
                async with bounded(_WIDEN_SECONDS, of_a_run=True):
                    await handle.execute_update(
                        DownloadProcess.widen,
                        DocumentChoice(tuple(document_ids)),
                        id=f"widen-{digest}",
                        rpc_timeout=timedelta(seconds=_WIDEN_SECONDS),
                    )
                run = replace(run, chosen_documents=None if not document_ids else run.chosen_documents)
            if subscribe is not None:
                # Another run's end may have claimed what was waiting.
                await subscribe(run_id)
                async with bounded(of_a_run=True):
                    await handle.signal(DownloadProcess.subscribe, rpc_timeout=CALL_TIMEOUT)
        except RPCError as error:
            if is_gone(error):
                return None
            raise
        except WorkflowUpdateFailedError:
            return None
        return run
