"""A client interceptor that starts workflows with the ids of the request that they are started for."""

from __future__ import annotations

from typing import Any

import structlog
from temporalio.client import Interceptor, OutboundInterceptor, StartWorkflowInput, WorkflowHandle
from temporalio.exceptions import WorkflowAlreadyStartedError

from domain.request_trace import RequestTrace
from domain.spans import NO_ATTRIBUTES, NO_TRACES, PROCESS, SpanKind, Tracer
from workflows.deliver_webhook import DeliverWebhook
from workflows.download_batch import DownloadBatch
from workflows.download_process import DownloadProcess
from workflows.request_headers import trace_headers

# Not the court monitor: it runs for ever, and works for everybody.
_TRACED_WORKFLOWS = frozenset({DownloadProcess.__name__, DownloadBatch.__name__, DeliverWebhook.__name__})


class RequestTracingInterceptor(Interceptor):
    """Client interceptor that adds the request's ids to a workflow: a header for activities, a memo for people.

    Args:
        tracer: Opens a span for each start, below which the spans of the activities are.
    """

    def __init__(self, tracer: Tracer = NO_TRACES) -> None:
        self._tracer = tracer

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:  # noqa: A002
        """Add the ids to every start."""
        return _TracedStarts(next, self._tracer)


class _TracedStarts(OutboundInterceptor):
    def __init__(self, next: OutboundInterceptor, tracer: Tracer) -> None:  # noqa: A002
        super().__init__(next)
        self._tracer = tracer

    async def start_workflow(self, input: StartWorkflowInput) -> WorkflowHandle[Any, Any]:  # noqa: A002
        trace = RequestTrace.from_fields(structlog.contextvars.get_contextvars())
        if trace is None or input.workflow not in _TRACED_WORKFLOWS:
            return await super().start_workflow(input)
        attributes = {PROCESS: input.id} if input.workflow == DownloadProcess.__name__ else NO_ATTRIBUTES
        with self._tracer.start_span(f"start {input.workflow}", SpanKind.PRODUCER, attributes) as span:
            trace = trace.below(span.context)
            input.headers = {**input.headers, **trace_headers(trace)}
            input.memo = {**(input.memo or {}), **trace.to_fields()}
            try:
                return await super().start_workflow(input)
            except WorkflowAlreadyStartedError as error:
                # No failure: the request joins the open one.
                span.set("autos.already_open", True)
                already_open = error
        raise already_open
