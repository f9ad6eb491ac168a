"""How the local stack knows that a part does its job."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

import httpx
from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest, DescribeTaskQueueRequest
from temporalio.client import Client
from temporalio.service import RPCError

_PROBE_TIMEOUT = timedelta(seconds=2)


async def answers(http: httpx.AsyncClient, request: str | httpx.Request) -> bool:
    """Return whether a request, or a GET of a URL, is answered with 200."""
    if isinstance(request, str):
        request = http.build_request("GET", request)
    try:
        return (await http.send(request)).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


class TemporalProbe:
    """Asks one Temporal server about itself and about the workers that poll it."""

    def __init__(self, address: str, namespace: str = "default") -> None:
        """Name the server. Nothing is connected yet."""
        self._address = address
        self._namespace = namespace
        self._client: Client | None = None

    async def _connected(self) -> Client:
        if self._client is None:
            self._client = await Client.connect(self._address, namespace=self._namespace)
        return self._client

    async def server_answers(self) -> bool:
        """Whether the server answers and has its namespace."""
        try:
            client = await self._connected()
            await client.workflow_service.describe_namespace(
                DescribeNamespaceRequest(namespace=self._namespace), timeout=_PROBE_TIMEOUT
            )
        except (RPCError, RuntimeError):  # The latter is how the SDK says that it cannot connect.
            return False
        return True

    async def queues_are_polled(self, queues: Iterable[tuple[str, TaskQueueType.ValueType]], since: float) -> bool:
        """Whether every queue has a poller that has polled since then, as the server sees it."""
        try:
            client = await self._connected()
            for name, kind in queues:
                described = await client.workflow_service.describe_task_queue(
                    DescribeTaskQueueRequest(
                        namespace=self._namespace, task_queue=TaskQueue(name=name), task_queue_type=kind
                    ),
                    timeout=_PROBE_TIMEOUT,
                )
                # Pollers of a worker that is gone stay listed for minutes.
                if not any(poller.last_access_time.ToSeconds() >= int(since) for poller in described.pollers):
                    return False
        except (RPCError, RuntimeError):
            return False
        return True
