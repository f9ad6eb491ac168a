"""Container health check of the API or the worker in the same container: exit code 0 or 1.

For the API, it requests the readiness endpoint; an API without workers is `degraded` and healthy. The worker has no
port, so Temporal is asked whether this machine's worker still polls: a worker that hangs stops polling, a healthy
one polls at least once a minute, unless long downloads take all its slots, which its heartbeats say.
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
# A long poll without a task lasts a minute.
_STALE_POLL_SECONDS = 130


def check_api() -> str | None:
    """Return the problem with the API, or ``None``."""
    connection = http.client.HTTPConnection(
        "127.0.0.1", int(os.environ.get("AUTOS_API_PORT", "8000")), timeout=_API_SECONDS
    )
    try:
        connection.request("GET", "/health/ready")
        response = connection.getresponse()
        return None if response.status == http.client.OK else response.read(2_000).decode(errors="replace")
    except (OSError, http.client.HTTPException) as error:
        return f"The API does not respond ({type(error).__name__})."
    finally:
        connection.close()


def check_worker() -> str | None:
    """Return the problem with the worker, or ``None``."""
    from domain.errors import AutosError

    try:
        return asyncio.run(_check_polling())
    except AutosError as error:
        return str(error)
    except TimeoutError:
        return f"Temporal did not respond within {_WORKER_SECONDS} seconds."


async def _check_polling() -> str | None:
    from adapters.temporal.connection import connect
    from adapters.temporal.worker_counts import WorkerCountClient

    async with asyncio.timeout(_WORKER_SECONDS):
        queue = await WorkerCountClient(await connect()).find_unserved_queue(
            f"@{socket.gethostname()}", since=time.time() - _STALE_POLL_SECONDS
        )
    return None if queue is None else f"This machine's worker does not poll the task queue {queue!r}."


def main() -> None:
    """Run the check named on the command line."""
    checks = {"api": check_api, "worker": check_worker}
    if len(sys.argv) != 2 or sys.argv[1] not in checks:
        sys.exit(f"usage: health.py {'|'.join(checks)}")
    problem = checks[sys.argv[1]]()
    if problem is not None:
        sys.stderr.write(f"{problem}\n")
        sys.stderr.flush()
    # The threads of Temporal's client may abort an interpreter that ends in the usual way.
    os._exit(0 if problem is None else 1)


if __name__ == "__main__":
    main()
