"""A collector of OpenTelemetry that keeps the spans it is sent over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.support.conditions import eventually
from tests.support.threaded_server import serving_in_thread


@dataclass(frozen=True)
class CollectedSpan:
    """A span as it was sent.

    Attributes:
        parent_id: Empty for the first span of a trace.
        kind: OpenTelemetry's name, in lower case.
        failed: Whether its status is an error.
    """

    service: str
    name: str
    kind: str
    trace_id: str
    span_id: str
    parent_id: str
    attributes: dict[str, object]
    failed: bool


@dataclass
class OtlpCollector:
    """What was sent to it.

    Attributes:
        url: Its base URL.
        bodies: Each request as it came, to look for what should not be there.
        status: The status that it answers with.
    """

    url: str = ""
    spans: list[CollectedSpan] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    status: int = 200

    async def handle(self, request: Request) -> Response:
        """Keep the spans of a request, unless it is refused."""
        body = await request.body()
        self.bodies.append(body)
        self.headers.append(dict(request.headers))
        if self.status == 200:
            self.spans += _read_spans(ExportTraceServiceRequest.FromString(body))
        return Response(b"", self.status, media_type="application/x-protobuf")

    def trace(self, trace_id: str) -> list[CollectedSpan]:
        """Return the spans of a trace so far."""
        return [span for span in self.spans if span.trace_id == trace_id]

    async def wait_for(self, trace_id: str, *names: str) -> list[CollectedSpan]:
        """Wait until a trace has spans with all these names, and return all its spans."""

        async def arrived() -> list[CollectedSpan] | None:
            spans = self.trace(trace_id)
            return spans if {span.name for span in spans} >= set(names) else None

        return await eventually(arrived, f"spans {', '.join(names)}", seconds=60)


def _read_spans(request: ExportTraceServiceRequest) -> Iterator[CollectedSpan]:
    for resource in request.resource_spans:
        described = {each.key: each.value.string_value for each in resource.resource.attributes}
        for scope in resource.scope_spans:
            for span in scope.spans:
                yield CollectedSpan(
                    described["service.name"],
                    span.name,
                    span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_").lower(),
                    span.trace_id.hex(),
                    span.span_id.hex(),
                    span.parent_span_id.hex(),
                    {
                        each.key: getattr(each.value, str(each.value.WhichOneof("value")))
                        for each in span.attributes
                    },
                    span.status.code == span.status.STATUS_CODE_ERROR,
                )


@contextmanager
def running_collector() -> Iterator[OtlpCollector]:
    """Run a collector on a free port of the loopback."""
    collector = OtlpCollector()
    app = Starlette(routes=[Route("/v1/traces", collector.handle, methods=["POST"])])
    with serving_in_thread(app) as collector.url:
        yield collector
