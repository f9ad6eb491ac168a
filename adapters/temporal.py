"""The connection to Temporal, by its own standard variables."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from temporalio.api.enums.v1 import IndexedValueType, TaskQueueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest, ListSearchAttributesRequest
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client
from temporalio.common import SearchAttributeKey
from temporalio.envconfig import ClientConfig
from temporalio.service import RPCError

from domain.errors import DependencyUnavailable

_FIRST_WAIT_SECONDS = 0.25
_LONGEST_WAIT_SECONDS = 5.0
_CALL_TIMEOUT = timedelta(seconds=2)


async def connect(*, lazy: bool = False) -> Client:
    """Connect as ``TEMPORAL_ADDRESS``, ``TEMPORAL_NAMESPACE`` and the others say; to this machine without them.

    Args:
        lazy: connect at the first call, so that a part can start before Temporal does.

    Raises:
        DependencyUnavailable: Temporal does not answer.
    """
    config: dict[str, Any] = {"target_host": "127.0.0.1:7233"}
    config |= ClientConfig.load_client_connect_config()
    try:
        return await Client.connect(**config, lazy=lazy)
    except (RPCError, RuntimeError):
        raise DependencyUnavailable("temporal", f"Temporal does not answer at {config['target_host']}.") from None


async def connect_patiently(patience_seconds: float) -> Client:
    """Connect, trying again for so long while Temporal is not up yet.

    Raises:
        DependencyUnavailable: it did not come up in time.
    """
    deadline = asyncio.get_running_loop().time() + patience_seconds
    wait = _FIRST_WAIT_SECONDS
    while True:
        try:
            return await connect()
        except DependencyUnavailable:
            if asyncio.get_running_loop().time() + wait > deadline:
                raise
        await asyncio.sleep(wait)
        wait = min(wait * 2, _LONGEST_WAIT_SECONDS)


async def register_search_attributes(client: Client, attributes: Sequence[SearchAttributeKey[Any]]) -> None:
    """Make the namespace know our search attributes. Doing it again changes nothing.

    Raises:
        DependencyUnavailable: Temporal does not answer, or does not let us.
    """
    try:
        known = await client.operator_service.list_search_attributes(
            ListSearchAttributesRequest(namespace=client.namespace)
        )
        missing = {
            key.name: IndexedValueType.ValueType(key.indexed_value_type)
            for key in attributes
            if key.name not in known.custom_attributes
        }
        if missing:
            await client.operator_service.add_search_attributes(
                AddSearchAttributesRequest(namespace=client.namespace, search_attributes=missing)
            )
    except RPCError as error:
        raise DependencyUnavailable(
            "temporal", f"Temporal did not take the search attributes ({error.status.name})."
        ) from None


async def read_queue_rate_limit(client: Client, task_queue: str) -> float | None:
    """Return the activities per second that an operator has set for a task queue; None if nobody has.

    Raises:
        DependencyUnavailable: Temporal does not answer, or does not tell us.
    """
    request = DescribeTaskQueueRequest(
        namespace=client.namespace,
        task_queue=TaskQueue(name=task_queue),
        task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY,
        report_config=True,
    )
    try:
        queue = await client.workflow_service.describe_task_queue(request, timeout=_CALL_TIMEOUT)
    except RPCError as error:
        raise DependencyUnavailable(
            "temporal", f"Temporal does not tell the rate of the task queue {task_queue} ({error.status.name})."
        ) from None
    limit = queue.config.queue_rate_limit
    return float(limit.rate_limit.requests_per_second) if limit.HasField("rate_limit") else None
