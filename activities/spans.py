"""An interceptor that opens a span for each activity, below the span of the request that started its workflow."""

from __future__ import annotations

from typing import Any

from temporalio import activity
from temporalio.exceptions import ApplicationError
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from domain.request_trace import TRACE_HEADER, RequestTrace
from domain.spans import PROCESS, Attribute, SpanKind, Tracer


def trace_interceptors(tracer: Tracer) -> list[Interceptor]:
    """Return the interceptors of a worker that exports traces. None for one that does not."""
    return [ActivitySpansInterceptor(tracer)] if tracer.is_on else []


class ActivitySpansInterceptor(Interceptor):
    """Activity interceptor: a span for each attempt. What no request has started has no spans.

    Args:
        tracer: Opens the spans.
    """

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:  # noqa: A002
        """Open a span around every activity."""
        return _TracedActivity(next, self._tracer)


class _TracedActivity(ActivityInboundInterceptor):
    def __init__(self, next: ActivityInboundInterceptor, tracer: Tracer) -> None:  # noqa: A002
        super().__init__(next)
        self._tracer = tracer

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:  # noqa: A002
        header = input.headers.get(TRACE_HEADER)
        trace = None if header is None else RequestTrace.from_json(header.data)
        if trace is None or trace.span is None:
            return await super().execute_activity(input)
        info = activity.info()
        with self._tracer.enter_span(
            info.activity_type, SpanKind.CONSUMER, trace.span, _attributes_of(info)
        ) as span:
            try:
                return await super().execute_activity(input)
            except ApplicationError as error:
                # The failure's code, or the class of the error that it stands for.
                span.fail(error.type or type(error).__name__)
                raise


def _attributes_of(info: activity.Info) -> dict[str, Attribute]:
    waited = info.started_time - info.current_attempt_scheduled_time
    attributes: dict[str, Attribute] = {
        "autos.attempt": info.attempt,
        "autos.queue": info.task_queue,
        # In Temporal, until a worker had a free slot for it.
        "autos.queued_seconds": round(waited.total_seconds(), 3),
    }
    if info.workflow_type:
        attributes["autos.workflow"] = info.workflow_type
    if info.workflow_type == "DownloadProcess" and info.workflow_id:
        attributes[PROCESS] = info.workflow_id
    return attributes
