"""Traces for a collector of OpenTelemetry. The exporter is loaded only with one: it costs time and memory."""

from __future__ import annotations

from domain.spans import NO_TRACES, Tracer


def open_tracer(endpoint: str | None, headers: str | None, *, service: str) -> Tracer:
    """Return what opens the spans of a service. Close it after all that uses it.

    Args:
        endpoint: Base URL of the collector. None means that there are no spans.
        headers: Headers for the collector, as `name=value,name=value`.
        service: The name of the service in the traces.

    Raises:
        ConfigurationError: The headers cannot be sent.
    """
    if endpoint is None:
        return NO_TRACES
    from adapters.telemetry.collector import Collector
    from adapters.telemetry.otlp import OtlpTracer

    return OtlpTracer(Collector.parse(endpoint, headers), service)
