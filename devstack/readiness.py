"""Health checks of the local stack's services."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

import httpx2
from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest, DescribeTaskQueueRequest
from temporalio.client import Client
from temporalio.service import RPCError

_PROBE_TIMEOUT = timedelta(seconds=2)


async def responds_ok(http: httpx2.AsyncClient, request: str | httpx2.Request) -> bool:
    """Return whether the response to a request, or to a GET of a URL, is 200."""
    if isinstance(request, str):
        request = http.build_request("GET", request)
    try:
        return (await http.send(request)).status_code == httpx2.codes.OK
    except httpx2.TransportError:
        return False


class TemporalProbe:
    """Health checks of one Temporal server and of the workers that poll it."""

    def __init__(self, address: str, namespace: str = "default") -> None:
        """Set the server's address. Connects at the first check."""
        self._address = address
        self._namespace = namespace
        self._client: Client | None = None

    async def _get_client(self) -> Client:
        if self._client is None:
            self._client = await Client.connect(self._address, namespace=self._namespace)
        return self._client

    async def is_serving(self) -> bool:
        """Return whether the server responds and has its namespace."""
        try:
            client = await self._get_client()
            await client.workflow_service.describe_namespace(
                DescribeNamespaceRequest(namespace=self._namespace), timeout=_PROBE_TIMEOUT
            )
        except (RPCError, RuntimeError):  # The SDK raises RuntimeError when it cannot connect.
            return False
        return True

    async def queues_are_polled(self, queues: Iterable[tuple[str, TaskQueueType.ValueType]], since: float) -> bool:
        """Return whether every task queue was polled after a moment, as the server sees it.

        Args:
            queues: names and types of the task queues.
            since: seconds since the epoch.
        """
        try:
            client = await self._get_client()
            for name, kind in queues:
                described = await client.workflow_service.describe_task_queue(
                    DescribeTaskQueueRequest(
                        namespace=self._namespace, task_queue=TaskQueue(name=name), task_queue_type=kind
                    ),
                    timeout=_PROBE_TIMEOUT,
                )
                # The server lists the pollers of a dead worker for minutes.
                if not any(poller.last_access_time.ToSeconds() >= int(since) for poller in described.pollers):
                    return False
        except (RPCError, RuntimeError):
            return False
        return True
