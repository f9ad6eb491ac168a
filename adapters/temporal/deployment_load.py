"""How much work waits in Temporal, and what the open runs are doing."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from temporalio.api.taskqueue.v1 import TaskQueue, TaskQueueStats
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client

from adapters.temporal.errors import CALL_TIMEOUT, translating_temporal_errors
from adapters.temporal.worker_counts import TASK_TYPES
from domain.completeness import Phase
from workflows.download_process import DownloadProcess
from workflows.search_attributes import PHASE

# Prometheus gives up on an answer after a few seconds, and loses all metrics, not only these.
_TIMEOUT_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Backlog:
    """The tasks of a queue that no worker has taken yet.

    Attributes:
        tasks: How many, as Temporal estimates.
        age_seconds: How long the oldest has waited. 0 without tasks.
    """

    tasks: int
    age_seconds: float


@dataclass(frozen=True, slots=True)
class DeploymentLoad:
    """What waits in Temporal, for the whole deployment.

    Attributes:
        backlogs: By task queue.
        open_runs: The number of open runs by phase.
    """

    backlogs: Mapping[str, Backlog]
    open_runs: Mapping[Phase, int]


class DeploymentLoadClient:
    """Asks Temporal for the load: eleven requests of a few milliseconds.

    Args:
        client: The connection to Temporal.
    """

    def __init__(self, client: Client) -> None:
        self._client = client

    async def read(self) -> DeploymentLoad:
        """Return the load now.

        Raises:
            DependencyUnavailable: Temporal does not answer.
        """
        async with translating_temporal_errors(_TIMEOUT_SECONDS):
            backlogs, open_runs = await asyncio.gather(
                asyncio.gather(*(self._read_backlog(queue) for queue in TASK_TYPES)),
                asyncio.gather(*(self._count_runs(phase) for phase in Phase)),
            )
        return DeploymentLoad(
            dict(zip(TASK_TYPES, backlogs, strict=True)), dict(zip(Phase, open_runs, strict=True))
        )

    async def _read_backlog(self, queue: str) -> Backlog:
        described = await asyncio.gather(
            *(
                self._client.workflow_service.describe_task_queue(
                    DescribeTaskQueueRequest(
                        namespace=self._client.namespace,
                        task_queue=TaskQueue(name=queue),
                        task_queue_type=kind,
                        report_stats=True,
                    ),
                    timeout=CALL_TIMEOUT,
                )
                for kind in TASK_TYPES[queue]
            )
        )
        stats: list[TaskQueueStats] = [each.stats for each in described]
        return Backlog(
            sum(each.approximate_backlog_count for each in stats),
            max(each.approximate_backlog_age.ToTimedelta().total_seconds() for each in stats),
        )

    async def _count_runs(self, phase: Phase) -> int:
        in_phase = f"{PHASE.name} = '{phase}'"
        if phase is Phase.LISTING:
            # No worker has begun with it yet.
            in_phase = f"({in_phase} OR {PHASE.name} IS NULL)"
        query = f"WorkflowType = '{DownloadProcess.__name__}' AND ExecutionStatus = 'Running' AND {in_phase}"
        return (await self._client.count_workflows(query, rpc_timeout=CALL_TIMEOUT)).count
