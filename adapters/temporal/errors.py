"""Calls to Temporal with a time limit, and what their failures mean: the one mapper of Temporal's errors."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from temporalio.client import WorkflowUpdateRPCTimeoutOrCancelledError
from temporalio.service import RPCError, RPCStatusCode

from adapters.logs import log_cause
from domain.errors import DependencyUnavailable

# For requests of clients: one call, and all calls of one step together.
CALL_TIMEOUT = timedelta(seconds=2)
TOTAL_TIMEOUT_SECONDS = 2.5
# For workers, where no client waits for an answer.
BACKGROUND_CALL_TIMEOUT = timedelta(seconds=5)


@asynccontextmanager
async def translating_temporal_errors(
    seconds: float | None = None, *, of_a_run: bool = False
) -> AsyncIterator[None]:
    """Limit the time of the calls in the block, and raise our errors instead of the SDK's.

    Without the limit the SDK would repeat a call for as long as Temporal is away.

    Args:
        seconds: Limit for all calls of the block together. None means `TOTAL_TIMEOUT_SECONDS`.
        of_a_run: True if the calls name a run, which may no longer exist: NOT_FOUND is then passed on.
            Otherwise NOT_FOUND means that Temporal does not know the namespace.

    Raises:
        DependencyUnavailable: Temporal does not answer, or not in time.
        RPCError: The run was not found, with ``of_a_run``.
    """
    try:
        async with asyncio.timeout(TOTAL_TIMEOUT_SECONDS if seconds is None else seconds):
            yield
    except WorkflowUpdateRPCTimeoutOrCancelledError:
        raise DependencyUnavailable("temporal", "No worker has answered; it may still be done.") from None
    except (TimeoutError, RPCError, RuntimeError) as error:
        if of_a_run and isinstance(error, RPCError) and is_not_found(error):
            raise
        raise to_dependency_unavailable(error) from None


def to_dependency_unavailable(error: TimeoutError | RPCError | RuntimeError) -> DependencyUnavailable:
    """Return our error for a call that Temporal did not answer or refused.

    RuntimeError is what a lazily connecting client raises when it cannot connect.
    """
    log_cause(error, "temporal")
    if isinstance(error, RPCError) and _lacks_search_attributes(error):
        return DependencyUnavailable(
            "temporal", "Temporal does not know our search attributes: run `autos migrate`."
        )
    reason = error.status.name if isinstance(error, RPCError) else type(error).__name__
    return DependencyUnavailable("temporal", f"Temporal does not answer ({reason}).")


def is_not_found(error: RPCError) -> bool:
    """Return whether Temporal has no such run open."""
    return error.status is RPCStatusCode.NOT_FOUND


def _lacks_search_attributes(error: RPCError) -> bool:
    # The status alone has other causes too, for example a workflow that has received too many signals.
    return error.status is RPCStatusCode.INVALID_ARGUMENT and "search attribute" in error.message.lower()
