"""Spans of a trace, as the code opens them. ``adapters/telemetry`` exports them, if there is a collector.

Names and attributes are closed sets, numbers and ids: no address, no document's name, no text of an error.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType, TracebackType
from typing import Protocol, Self, TypeAlias

Attribute: TypeAlias = str | int | float | bool
Attributes: TypeAlias = Mapping[str, Attribute]

PROCESS = "autos.process"
STATUS = "http.response.status_code"
ERROR = "error.type"
BYTES = "autos.bytes"
NO_ATTRIBUTES: Attributes = MappingProxyType({})


class SpanKind(StrEnum):
    """OpenTelemetry's kinds of spans."""

    INTERNAL = "internal"
    SERVER = "server"
    CLIENT = "client"
    PRODUCER = "producer"
    CONSUMER = "consumer"


@dataclass(frozen=True, slots=True)
class SpanContext:
    """What identifies a span, as W3C Trace Context has it.

    Attributes:
        trace_id: 32 hexadecimal digits.
        span_id: 16 hexadecimal digits.
        sampled: Whether the span is exported.
    """

    trace_id: str
    span_id: str
    sampled: bool = True


class Span(Protocol):
    """A span that is open until its block ends. An exception that leaves the block marks it as failed."""

    @property
    def context(self) -> SpanContext | None:
        """The ids of the span. None if there is no trace."""

    def set(self, name: str, value: Attribute) -> None:
        """Set an attribute."""

    def rename(self, name: str) -> None:
        """Replace the name that the span was opened with."""

    def fail(self, code: str) -> None:
        """Mark the span as failed. The first code stays.

        Args:
            code: One of a closed set, never the text of an error.
        """

    def end(self) -> None:
        """End the span before its block does. What comes later changes nothing."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class Tracer(Protocol):
    """Opens spans. Nothing here raises or waits because of the collector."""

    @property
    def is_on(self) -> bool:
        """Whether there is a collector."""

    def start_span(self, name: str, kind: SpanKind, attributes: Attributes = NO_ATTRIBUTES) -> Span:
        """Open a span below the current one, without becoming the current one. Nothing is recorded without one."""

    def enter_span(
        self, name: str, kind: SpanKind, parent: SpanContext | None, attributes: Attributes = NO_ATTRIBUTES
    ) -> AbstractContextManager[Span]:
        """Open a span, which is the current one within its block.

        Args:
            name: See `start_span`, also for `kind` and `attributes`.
            parent: A span of another service. None begins a trace.
        """

    async def close(self) -> None:
        """Export what has ended, within seconds."""


class _NoSpan:
    context = None

    def set(self, name: str, value: Attribute) -> None:
        pass

    def rename(self, name: str) -> None:
        pass

    def fail(self, code: str) -> None:
        pass

    def end(self) -> None:
        pass

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass


class _NoTracer:
    is_on = False

    def start_span(self, name: str, kind: SpanKind, attributes: Attributes = NO_ATTRIBUTES) -> Span:
        return NO_SPAN

    def enter_span(
        self, name: str, kind: SpanKind, parent: SpanContext | None, attributes: Attributes = NO_ATTRIBUTES
    ) -> AbstractContextManager[Span]:
        return nullcontext(NO_SPAN)

    async def close(self) -> None:
        pass


NO_SPAN: Span = _NoSpan()
NO_TRACES: Tracer = _NoTracer()
