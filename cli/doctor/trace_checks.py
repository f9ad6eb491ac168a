"""The check of the collector that takes the traces."""

from __future__ import annotations

from cli.doctor.findings import Fault, Finding, failed, ok, skipped
from cli.doctor.parts import Parts
from domain.errors import ConfigurationError, DependencyUnavailable

TRACES = "Start the collector, or correct AUTOS_OTLP_ENDPOINT: the base URL where it takes OTLP over HTTP."


async def check_traces(parts: Parts) -> Finding:
    """Send a batch without spans to the collector."""
    endpoint = parts.settings.otlp_url
    if endpoint is None:
        return skipped("AUTOS_OTLP_ENDPOINT is not set: there are no traces.")
    # Only now: it loads the library that the exporter sends with.
    from adapters.telemetry.collector import Collector

    try:
        collector = Collector.parse(endpoint, parts.settings.otlp_header_text)
        await collector.check()
    except ConfigurationError as error:
        return failed(str(error), "Correct AUTOS_OTLP_HEADERS: the key that the collector asks for.", Fault.SETTING)
    except DependencyUnavailable as error:
        return failed(f"{error} It was asked at {collector.url}.", TRACES)
    return ok(f"The collector at {collector.url} takes spans.")
