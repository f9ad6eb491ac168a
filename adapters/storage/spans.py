"""A span for each request to the object store, by botocore's own events. Retries of a request are one span."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, Any

from adapters.storage.errors import error_code
from domain.spans import BYTES, STATUS, Span, SpanKind, Tracer

if TYPE_CHECKING:
    from botocore.model import OperationModel
    from types_aiobotocore_s3.client import S3Client

_KEY = "autos_span"


def trace_requests(client: S3Client, tracer: Tracer) -> None:
    """Open a span for each request of a client: the operation, its status and its bytes; no key and no address."""
    if not tracer.is_on:
        return
    requests = _Requests(tracer)
    events = client.meta.events
    events.register("before-call.s3", requests.start)
    events.register("after-call.s3", requests.end)
    events.register("after-call-error.s3", requests.fail)


class _Requests:
    """Handlers of botocore's events. A request has a context of its own, which has its span.

    The span of a request that is cancelled is not exported: botocore has no event for it.
    """

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer

    def start(self, model: OperationModel, params: dict[str, Any], context: dict[str, Any], **_: object) -> None:
        span = self._tracer.start_span(f"store {model.name}", SpanKind.CLIENT)
        # botocore makes a file of the bytes that are put. All else is XML.
        if isinstance(body := params.get("body"), BytesIO):
            span.set(BYTES, body.getbuffer().nbytes)
        context[_KEY] = span

    def end(self, parsed: dict[str, Any], context: dict[str, Any], **_: object) -> None:
        span: Span | None = context.pop(_KEY, None)
        if span is None:
            return
        status = parsed["ResponseMetadata"]["HTTPStatusCode"]
        span.set(STATUS, status)
        if status < 300 and isinstance(parsed.get("ContentLength"), int):
            span.set(BYTES, parsed["ContentLength"])
        if status >= 300:
            span.fail(str(status))
        span.end()

    def fail(self, exception: Exception, context: dict[str, Any], **_: object) -> None:
        span: Span | None = context.pop(_KEY, None)
        if span is not None:
            span.fail(error_code(exception))
            span.end()
