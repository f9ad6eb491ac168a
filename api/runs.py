"""Starting, finding and telling runs in Temporal."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.common import (
    SearchAttributePair,
    TypedSearchAttributes,
    WorkflowIDConflictPolicy,
    WorkflowIDReusePolicy,
)
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from domain.completeness import Decision, Phase
from domain.errors import DependencyUnavailable
from domain.messages import DeliveryRef, DeliveryRequest, DownloadRequest
from domain.process_number import ProcessNumber
from workflows.deliver_webhook import DeliverWebhook
from workflows.download_process import DownloadProcess
from workflows.options import PROCESSES_QUEUE
from workflows.search_attributes import CLIENT, COURT, PHASE

_CALL_TIMEOUT = timedelta(seconds=2)
_TOTAL_TIMEOUT_SECONDS = 2.5
_TRIES = 20
_CLOSING_SECONDS = 2.0
_CLOSING_PROBE_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class OpenRun:
    """A run that Temporal has open.

    Attributes:
        id: of the run's present execution; it is the run's own id until the run continues as new.
    """

    id: str
    started_at: datetime
    phase: Phase


@dataclass(frozen=True, slots=True)
class StartedRun:
    """What asking for a run led to.

    Attributes:
        decision: ``started``, or ``active`` if one was open already.
        run_id: the id of the run's first execution.
    """

    decision: Decision
    run_id: str


class Runs:
    """Runs as Temporal knows them."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def start(self, number: ProcessNumber, client: str, *, subscribed: bool) -> StartedRun:
        """Start a run unless one is open: Temporal refuses a second one with the same id.

        Args:
            number: the process, whose number is the workflow's id.
            client: who asks.
            subscribed: a subscription is waiting in the catalog: an open run is told, so that it looks for it
                even if it has told its other subscribers already.

        Raises:
            DependencyUnavailable: Temporal does not answer.
        """
        attributes = [SearchAttributePair(COURT, number.court), SearchAttributePair(CLIENT, client)]
        async with _bounded():
            for _ in range(_TRIES):
                try:
                    handle = await self._client.start_workflow(
                        DownloadProcess.run,
                        DownloadRequest(number.canonical, client),
                        id=number.canonical,
                        task_queue=PROCESSES_QUEUE,
                        id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
                        id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
                        search_attributes=TypedSearchAttributes(attributes),
                        static_summary=f"{number.court} · {number}",
                        static_details="Downloads every document of this process that is not stored yet.",
                        rpc_timeout=_CALL_TIMEOUT,
                    )
                    return StartedRun(Decision.STARTED, handle.first_execution_run_id or "")
                except WorkflowAlreadyStartedError as error:
                    if not subscribed or await self._tell(number):
                        return StartedRun(Decision.ACTIVE, error.first_run_id or error.run_id or "")
                    # The run ended between the two calls: start another, which finds the subscription.
        raise DependencyUnavailable("temporal", "Runs for this process begin and end too quickly to be joined.")

    async def find_open(self, number: ProcessNumber) -> OpenRun | None:
        """The open run of a process, or none.

        Raises:
            DependencyUnavailable: Temporal does not answer.
        """
        async with _bounded():
            try:
                run = await self._client.get_workflow_handle(number.canonical).describe(rpc_timeout=_CALL_TIMEOUT)
            except RPCError as error:
                if error.status is RPCStatusCode.NOT_FOUND:
                    return None
                raise
        if run.status is not WorkflowExecutionStatus.RUNNING:
            return None
        phase = run.typed_search_attributes.get(PHASE)
        return OpenRun(id=run.run_id, started_at=run.start_time, phase=Phase(phase) if phase else Phase.LISTING)

    async def closed(self, number: ProcessNumber, run_id: str) -> None:
        """Wait, a moment at most, until Temporal has closed a run that has already said how it ended.

        Such a run takes no document any more: joining it would lead to nothing.

        Raises:
            DependencyUnavailable: Temporal does not answer.
        """
        deadline = asyncio.get_running_loop().time() + _CLOSING_SECONDS
        while asyncio.get_running_loop().time() < deadline:
            run = await self.find_open(number)
            if run is None or run.id != run_id:
                return
            await asyncio.sleep(_CLOSING_PROBE_SECONDS)

    async def deliver(self, delivery: DeliveryRef) -> None:
        """Have a subscriber told of an event, as a run does for its own. Asking again changes nothing.

        Raises:
            DependencyUnavailable: Temporal does not answer.
        """
        async with _bounded():
            with suppress(WorkflowAlreadyStartedError):
                await self._client.start_workflow(
                    DeliverWebhook.run,
                    DeliveryRequest(delivery.id),
                    id=f"webhook-{delivery.id}",
                    task_queue=PROCESSES_QUEUE,
                    id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                    rpc_timeout=_CALL_TIMEOUT,
                )

    async def check(self) -> None:
        """Ask Temporal for a sign of life.

        Raises:
            DependencyUnavailable: there is none.
        """
        async with _bounded():
            if not await self._client.service_client.check_health(timeout=_CALL_TIMEOUT):
                raise DependencyUnavailable("temporal", "Temporal is not serving.")

    async def _tell(self, number: ProcessNumber) -> bool:
        try:
            await self._client.get_workflow_handle(number.canonical).signal(
                DownloadProcess.subscribe, rpc_timeout=_CALL_TIMEOUT
            )
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return False
            raise
        return True


@asynccontextmanager
async def _bounded() -> AsyncIterator[None]:
    """Never wait long: the SDK tries a call again while Temporal is away."""
    try:
        async with asyncio.timeout(_TOTAL_TIMEOUT_SECONDS):
            yield
    except (TimeoutError, RPCError, RuntimeError) as error:
        if isinstance(error, RPCError) and error.status is RPCStatusCode.INVALID_ARGUMENT:
            raise DependencyUnavailable(
                "temporal", "Temporal does not know our search attributes: run `autos migrate`."
            ) from None
        # RuntimeError is what a lazily connecting client raises when it cannot connect.
        reason = error.status.name if isinstance(error, RPCError) else type(error).__name__
        raise DependencyUnavailable("temporal", f"Temporal does not answer ({reason}).") from None
