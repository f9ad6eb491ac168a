"""An interceptor that binds what an activity works for to its log lines."""

from __future__ import annotations

from typing import Any

import structlog
from temporalio import activity
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from domain.request_trace import TRACE_HEADER, RequestTrace


class LogContextInterceptor(Interceptor):
    """Activity interceptor: the log lines of a run's activities have its process, and the ids of its request.

    These are the ids of the request that started the run. Requests that join it log its id with their own.
    """

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:  # noqa: A002
        """Bind the context around every activity."""
        return _BoundActivity(next)


class _BoundActivity(ActivityInboundInterceptor):
    async def execute_activity(self, input: ExecuteActivityInput) -> Any:  # noqa: A002
        # Each activity has a task of its own. The context is left bound for the SDK's line about a failed one.
        structlog.contextvars.bind_contextvars(**_context_of(input))
        return await super().execute_activity(input)


def _context_of(input: ExecuteActivityInput) -> dict[str, str]:  # noqa: A002
    header = input.headers.get(TRACE_HEADER)
    trace = None if header is None else RequestTrace.from_json(header.data)
    context = {} if trace is None else trace.to_fields()
    info = activity.info()
    if info.workflow_type == "DownloadProcess" and info.workflow_id:
        context["process"] = info.workflow_id
    return context
