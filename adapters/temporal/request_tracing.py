"""A client interceptor that starts workflows with the ids of the request that they are started for."""

from __future__ import annotations

from typing import Any

import structlog
from temporalio.client import Interceptor, OutboundInterceptor, StartWorkflowInput, WorkflowHandle

from domain.request_trace import RequestTrace
from workflows.deliver_webhook import DeliverWebhook
from workflows.download_batch import DownloadBatch
from workflows.download_process import DownloadProcess
from workflows.request_headers import trace_headers

# Not the court monitor: it runs for ever, and works for everybody.
_TRACED_WORKFLOWS = frozenset({DownloadProcess.__name__, DownloadBatch.__name__, DeliverWebhook.__name__})


class RequestTracingInterceptor(Interceptor):
    """Client interceptor that adds the request's ids to a workflow: a header for activities, a memo for people."""

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:  # noqa: A002
        """Add the ids to every start."""
        return _TracedStarts(next)


class _TracedStarts(OutboundInterceptor):
    async def start_workflow(self, input: StartWorkflowInput) -> WorkflowHandle[Any, Any]:  # noqa: A002
        trace = RequestTrace.from_fields(structlog.contextvars.get_contextvars())
        if trace is not None and input.workflow in _TRACED_WORKFLOWS:
            input.headers = {**input.headers, **trace_headers(trace)}
            input.memo = {**(input.memo or {}), **trace.to_fields()}
        return await super().start_workflow(input)
