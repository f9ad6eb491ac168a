"""Spans of OpenTelemetry's SDK, exported as OTLP over HTTP by a thread."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from types import TracebackType
from typing import Self

import structlog
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import NonRecordingSpan, Status, StatusCode, TraceFlags

from adapters.telemetry.collector import Collector
from domain.errors import CourtError
from domain.spans import ERROR, NO_ATTRIBUTES, NO_SPAN, Attribute, Attributes, Span, SpanContext, SpanKind
from domain.version import VERSION

# Spans that are not exported by then are lost.
_FLUSH_SECONDS = 3.0
_KINDS = {kind: trace.SpanKind[kind.name] for kind in SpanKind}
# They log each failed batch, and each lost span, with what the collector says and parts of the headers.
_SDK_LOGGERS = ("opentelemetry.exporter", "opentelemetry.sdk._shared_internal", "opentelemetry.util.re")

_log = structlog.get_logger()


class OtlpTracer:
    """Opens spans and exports those that have ended, in batches.

    The queue is bounded and has a thread of its own. While the collector does not answer, spans are dropped.
    The SDK's global provider stays unset, so that no library exports spans of its own.

    Args:
        collector: Where the spans go.
        service: The name of the service.
    """

    is_on = True

    def __init__(self, collector: Collector, service: str) -> None:
        for name in _SDK_LOGGERS:
            logging.getLogger(name).setLevel(logging.CRITICAL)
        exporter = OTLPSpanExporter(collector.url, headers=collector.headers)
        self._processor = BatchSpanProcessor(_ReportingExporter(exporter))
        resource = Resource.create({SERVICE_NAME: service, SERVICE_VERSION: VERSION})
        provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        provider.add_span_processor(self._processor)
        self._tracer = provider.get_tracer("autos", VERSION)

    def start_span(self, name: str, kind: SpanKind, attributes: Attributes = NO_ATTRIBUTES) -> Span:
        """Open a span below the current one. See `domain.spans.Tracer`."""
        if not trace.get_current_span().is_recording():
            return NO_SPAN
        return _OtlpSpan(self._tracer.start_span(name, kind=_KINDS[kind], attributes=attributes))

    def enter_span(
        self, name: str, kind: SpanKind, parent: SpanContext | None, attributes: Attributes = NO_ATTRIBUTES
    ) -> AbstractContextManager[Span]:
        """Open a span, which is the current one within its block. See `domain.spans.Tracer`."""
        return self._enter(name, kind, parent, attributes)

    @contextmanager
    def _enter(
        self, name: str, kind: SpanKind, parent: SpanContext | None, attributes: Attributes
    ) -> Iterator[Span]:
        # Not what is current: on a keep-alive connection, that may be left over.
        above = trace.set_span_in_context(
            trace.INVALID_SPAN if parent is None else NonRecordingSpan(_to_vendor(parent))
        )
        span = self._tracer.start_span(name, context=above, kind=_KINDS[kind], attributes=attributes)
        with (
            trace.use_span(span, record_exception=False, set_status_on_exception=False),
            _OtlpSpan(span) as entered,
        ):
            yield entered

    async def close(self) -> None:
        """Export what has ended, for at most three seconds."""
        # The SDK waits half a minute for a collector that is away. Its threads do not keep the service alive.
        flushing = threading.Thread(target=self._processor.shutdown, daemon=True)
        flushing.start()
        await asyncio.to_thread(flushing.join, _FLUSH_SECONDS)


class _OtlpSpan:
    def __init__(self, span: trace.Span) -> None:
        self._span = span
        self._has_failed = False

    @property
    def context(self) -> SpanContext | None:
        context = self._span.get_span_context()
        if not context.is_valid:  # The operator has disabled the SDK.
            return None
        return SpanContext(
            trace.format_trace_id(context.trace_id),
            trace.format_span_id(context.span_id),
            sampled=context.trace_flags.sampled,
        )

    def set(self, name: str, value: Attribute) -> None:
        if self._span.is_recording():
            self._span.set_attribute(name, value)

    def rename(self, name: str) -> None:
        if self._span.is_recording():
            self._span.update_name(name)

    def fail(self, code: str) -> None:
        if self._span.is_recording() and not self._has_failed:
            self._has_failed = True
            self._span.set_attribute(ERROR, code)
            self._span.set_status(Status(StatusCode.ERROR))

    def end(self) -> None:
        if self._span.is_recording():
            self._span.end()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        # A generator that is closed has a reader that needs no more.
        if error is not None and not isinstance(error, GeneratorExit):
            self.fail(_code_of(error))
        self.end()


class _ReportingExporter(SpanExporter):
    """Logs once that spans are lost, and once that they arrive again."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter
        self._is_losing = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        try:
            result = self._exporter.export(spans)
        except Exception as error:  # noqa: BLE001 - its text may hold what was sent.
            result, reason = SpanExportResult.FAILURE, type(error).__name__
        else:
            reason = "see `autos doctor`"
        is_losing = result is not SpanExportResult.SUCCESS
        if is_losing and not self._is_losing:
            _log.warning(
                "traces are lost", detail=f"The collector of AUTOS_OTLP_ENDPOINT takes no spans ({reason})."
            )
        elif self._is_losing and not is_losing:
            _log.info("traces are exported again")
        self._is_losing = is_losing
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._exporter.force_flush(timeout_millis)


def _to_vendor(span: SpanContext) -> trace.SpanContext:
    return trace.SpanContext(
        int(span.trace_id, 16),
        int(span.span_id, 16),
        is_remote=True,
        trace_flags=TraceFlags(TraceFlags.SAMPLED if span.sampled else TraceFlags.DEFAULT),
    )


def _code_of(error: BaseException) -> str:
    return error.code.value if isinstance(error, CourtError) else type(error).__name__
