"""The ids of the request that started a workflow, handed on to its activities and to the workflows it starts.

They travel in a header of Temporal, not in messages: activities need no argument for them, and histories that were
recorded without them replay.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

from temporalio import workflow
from temporalio.api.common.v1 import Payload
from temporalio.worker import (
    ContinueAsNewInput,
    Interceptor,
    StartActivityInput,
    StartChildWorkflowInput,
    WorkflowInboundInterceptor,
    WorkflowInterceptorClassInput,
    WorkflowOutboundInterceptor,
)

with workflow.unsafe.imports_passed_through():
    from domain.request_trace import TRACE_HEADER, RequestTrace


def trace_headers(trace: RequestTrace) -> dict[str, Payload]:
    """Return the header with which a workflow is started for a request."""
    return {TRACE_HEADER: Payload(metadata={"encoding": b"json/plain"}, data=trace.to_json())}


class RequestHeadersInterceptor(Interceptor):
    """Workflow interceptor that hands on the header with which the workflow was started, if it has one."""

    def workflow_interceptor_class(self, input: WorkflowInterceptorClassInput) -> type[WorkflowInboundInterceptor]:  # noqa: A002
        """Return the interceptor of a workflow."""
        return _Inbound


class _Inbound(WorkflowInboundInterceptor):
    def init(self, outbound: WorkflowOutboundInterceptor) -> None:
        super().init(_Outbound(outbound))


class _Outbound(WorkflowOutboundInterceptor):
    def start_activity(self, input: StartActivityInput) -> workflow.ActivityHandle[Any]:  # noqa: A002
        input.headers = _with_trace(input.headers)
        return super().start_activity(input)

    async def start_child_workflow(self, input: StartChildWorkflowInput) -> workflow.ChildWorkflowHandle[Any, Any]:  # noqa: A002
        input.headers = _with_trace(input.headers)
        trace = _own_trace()
        if trace is not None:
            input.memo = {**(input.memo or {}), **trace.to_fields()}
        return await super().start_child_workflow(input)

    def continue_as_new(self, input: ContinueAsNewInput) -> NoReturn:  # noqa: A002
        input.headers = _with_trace(input.headers)
        trace = _own_trace()
        # Without a memo here, the next execution gets that of this one.
        if trace is not None and input.memo is not None:
            input.memo = {**input.memo, **trace.to_fields()}
        super().continue_as_new(input)


def _with_trace(headers: Mapping[str, Payload]) -> Mapping[str, Payload]:
    header = workflow.info().headers.get(TRACE_HEADER)
    return headers if header is None else {**headers, TRACE_HEADER: header}


def _own_trace() -> RequestTrace | None:
    header = workflow.info().headers.get(TRACE_HEADER)
    return None if header is None else RequestTrace.from_json(header.data)
