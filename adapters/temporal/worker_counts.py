"""How many workers poll our task queues, as Temporal sees it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence

from temporalio.api.enums.v1 import TaskQueueType, WorkerStatus
from temporalio.api.taskqueue.v1 import PollerInfo, TaskQueue
from temporalio.api.worker.v1 import WorkerHeartbeat
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest, ListWorkersRequest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from adapters.logs import log_cause
from adapters.temporal.errors import CALL_TIMEOUT, translating_temporal_errors
from workflows.options import BUNDLES_QUEUE, COURT_QUEUE, PROCESSES_QUEUE

# A long poll without a task and the interval of a worker's heartbeats are a minute each; both may be a little late.
SIGN_OF_LIFE_SECONDS = 75.0
# A server that does not know heartbeats, or does not let us read them. The polls must do.
_NOT_TOLD = frozenset(
    {RPCStatusCode.UNIMPLEMENTED, RPCStatusCode.PERMISSION_DENIED, RPCStatusCode.INVALID_ARGUMENT}
)
TASK_TYPES: Mapping[str, Sequence[TaskQueueType.ValueType]] = {
    PROCESSES_QUEUE: (TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW, TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY),
    COURT_QUEUE: (TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY,),
    BUNDLES_QUEUE: (TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW, TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY),
}


class WorkerCountClient:
    """Counts the workers of each task queue.

    Temporal lists the pollers of a dead worker for minutes, so only recent signs of life count: a poll, or a
    heartbeat of the worker's SDK. A worker whose slots are all taken by long downloads does not poll but sends
    heartbeats; a worker that has just started has polled but sent no heartbeat; and a server or an SDK may not know
    heartbeats at all. A worker that was stopped says so in its last heartbeat, and counts no more from then on.

    Args:
        client: The connection to Temporal.
    """

    def __init__(self, client: Client) -> None:
        self._client = client

    async def count(self) -> dict[str, int]:
        """Return the number of workers that serve each task queue, with every type of task that it has.

        Raises:
            DependencyUnavailable: Temporal does not answer.
        """
        async with translating_temporal_errors():
            counts = await asyncio.gather(*(self._count(queue, types) for queue, types in TASK_TYPES.items()))
        return dict(zip(TASK_TYPES, counts, strict=True))

    async def find_unserved_queue(self, machine: str, *, since: float) -> str | None:
        """Return a task queue of which this machine's worker takes no tasks, though it has slots. None without one.

        Args:
            machine: The end of its identity.
            since: Seconds since the epoch. Earlier signs of life do not count.

        Raises:
            DependencyUnavailable: Temporal does not answer.
        """
        async with translating_temporal_errors():
            for queue, types in TASK_TYPES.items():
                heartbeats = await self._list_heartbeats(queue)
                pollers = {kind: await self._list_pollers(queue, kind) for kind in types}
                if not is_taking_tasks(
                    (each for each in heartbeats if each.worker_identity.endswith(machine)),
                    {
                        kind: [each for each in some if each.identity.endswith(machine)]
                        for kind, some in pollers.items()
                    },
                    since=since,
                ):
                    return queue
        return None

    async def _count(self, queue: str, types: Iterable[TaskQueueType.ValueType]) -> int:
        heartbeats, pollers = await asyncio.gather(
            self._list_heartbeats(queue), asyncio.gather(*(self._list_pollers(queue, kind) for kind in types))
        )
        return count_living(heartbeats, pollers, since=time.time() - SIGN_OF_LIFE_SECONDS)

    async def _list_pollers(self, queue: str, kind: TaskQueueType.ValueType) -> Sequence[PollerInfo]:
        described = await self._client.workflow_service.describe_task_queue(
            DescribeTaskQueueRequest(
                namespace=self._client.namespace, task_queue=TaskQueue(name=queue), task_queue_type=kind
            ),
            timeout=CALL_TIMEOUT,
        )
        return described.pollers

    async def _list_heartbeats(self, queue: str) -> Sequence[WorkerHeartbeat]:
        request = ListWorkersRequest(namespace=self._client.namespace, query=f"TaskQueue='{queue}'")
        heartbeats: list[WorkerHeartbeat] = []
        while True:
            try:
                listed = await self._client.workflow_service.list_workers(request, timeout=CALL_TIMEOUT)
            except RPCError as error:
                if error.status not in _NOT_TOLD:
                    raise
                log_cause(error, "temporal")
                return ()
            heartbeats += (worker.worker_heartbeat for worker in listed.workers_info)
            if not listed.next_page_token:
                return heartbeats
            request.next_page_token = listed.next_page_token


def count_living(
    heartbeats: Iterable[WorkerHeartbeat], pollers: Iterable[Iterable[PollerInfo]], *, since: float
) -> int:
    """Return how many workers have shown a sign of life.

    Args:
        heartbeats: The latest heartbeat of each worker of the queue.
        pollers: The pollers of the queue, for each type of task.
        since: Seconds since the epoch. Earlier signs do not count.
    """
    latest: dict[str, WorkerHeartbeat] = {}
    # A container that is restarted has the same identity again.
    for heartbeat in sorted(heartbeats, key=_heartbeat_seconds):
        latest[heartbeat.worker_identity] = heartbeat
    beating = {
        identity
        for identity, heartbeat in latest.items()
        if heartbeat.status == WorkerStatus.WORKER_STATUS_RUNNING and _heartbeat_seconds(heartbeat) >= since
    }
    stopped_at = {
        identity: _heartbeat_seconds(heartbeat)
        for identity, heartbeat in latest.items()
        if heartbeat.status in (WorkerStatus.WORKER_STATUS_SHUTTING_DOWN, WorkerStatus.WORKER_STATUS_SHUTDOWN)
    }
    polling_by_type = [
        {
            poller.identity
            for poller in of_type
            if _poll_seconds(poller) >= max(since, stopped_at.get(poller.identity, 0.0))
        }
        for of_type in pollers
    ]
    return min(len(beating | polling) for polling in polling_by_type)


def is_taking_tasks(
    heartbeats: Iterable[WorkerHeartbeat],
    pollers: Mapping[TaskQueueType.ValueType, Iterable[PollerInfo]],
    *,
    since: float,
) -> bool:
    """Return whether a worker polls for each type of task, or has no free slot for it.

    A heartbeat alone is not enough: the SDK goes on sending it while the worker hangs.

    Args:
        heartbeats: The latest heartbeats of the worker.
        pollers: Its pollers, for each type of task.
        since: Seconds since the epoch. Earlier signs do not count.
    """
    is_full = any(
        heartbeat.status == WorkerStatus.WORKER_STATUS_RUNNING
        and _heartbeat_seconds(heartbeat) >= since
        and heartbeat.HasField("activity_task_slots_info")
        and heartbeat.activity_task_slots_info.current_available_slots == 0
        for heartbeat in heartbeats
    )
    return all(
        (is_full and kind == TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY)
        or any(_poll_seconds(poller) >= since for poller in of_type)
        for kind, of_type in pollers.items()
    )


def _heartbeat_seconds(heartbeat: WorkerHeartbeat) -> float:
    return heartbeat.heartbeat_time.ToMicroseconds() / 1e6


def _poll_seconds(poller: PollerInfo) -> float:
    return poller.last_access_time.ToMicroseconds() / 1e6
