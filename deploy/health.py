"""Tells a container engine whether the API or the worker beside which it runs does its job: exit code 0 or 1.

The API is asked for its readiness. The worker has no port to ask at, so Temporal is asked whether this machine's
worker still polls: a worker that hangs stops polling, one that is alive polls anew at least once a minute.
"""

from __future__ import annotations

import asyncio
import http.client
import os
import socket
import sys
import time

_API_SECONDS = 8
_WORKER_SECONDS = 10
# A poll that finds no task lasts a minute.
_STALE_SECONDS = 130


def api() -> str | None:
    """What is wrong with the API, if anything is."""
    connection = http.client.HTTPConnection(
        "127.0.0.1", int(os.environ.get("AUTOS_API_PORT", "8000")), timeout=_API_SECONDS
    )
    try:
        connection.request("GET", "/health/ready")
        answer = connection.getresponse()
        return None if answer.status == http.client.OK else answer.read(2_000).decode(errors="replace")
    except (OSError, http.client.HTTPException) as error:
        return f"The API does not answer ({type(error).__name__})."
    finally:
        connection.close()


def worker() -> str | None:
    """What is wrong with the worker, if anything is."""
    from domain.errors import AutosError

    try:
        return asyncio.run(_worker())
    except AutosError as error:
        return str(error)
    except TimeoutError:
        return f"Temporal did not answer within {_WORKER_SECONDS} seconds."


async def _worker() -> str | None:
    from temporalio.api.enums.v1 import TaskQueueType
    from temporalio.api.taskqueue.v1 import TaskQueue
    from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
    from temporalio.service import RPCError

    from adapters.temporal import connect
    from workflows.options import COURT_QUEUE, PROCESSES_QUEUE

    here = f"@{socket.gethostname()}"
    since = time.time() - _STALE_SECONDS
    async with asyncio.timeout(_WORKER_SECONDS):
        client = await connect()
        for name, kind in (
            (PROCESSES_QUEUE, TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW),
            (PROCESSES_QUEUE, TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY),
            (COURT_QUEUE, TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY),
        ):
            try:
                described = await client.workflow_service.describe_task_queue(
                    DescribeTaskQueueRequest(
                        namespace=client.namespace, task_queue=TaskQueue(name=name), task_queue_type=kind
                    )
                )
            except RPCError as error:
                return f"Temporal did not say who polls ({error.status.name})."
            if not any(
                poller.identity.endswith(here) and poller.last_access_time.ToSeconds() >= since
                for poller in described.pollers
            ):
                return f"This machine's worker does not poll the task queue {name!r}."
    return None


def main() -> None:
    """Check what the command line names."""
    checks = {"api": api, "worker": worker}
    if len(sys.argv) != 2 or sys.argv[1] not in checks:
        sys.exit(f"usage: health.py {'|'.join(checks)}")
    sys.exit(checks[sys.argv[1]]())


if __name__ == "__main__":
    main()
