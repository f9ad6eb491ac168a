"""The address at which a worker serves the SDK's metrics and its own to Prometheus."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from temporalio.runtime import PrometheusConfig, Runtime, TelemetryConfig

from adapters.logs import log_cause
from domain.errors import ConfigurationError


def open_metrics_runtime(address: str, buckets: Mapping[str, Sequence[float]]) -> Runtime:
    """Return a runtime of the SDK that serves its metrics at this address from now on, at any path.

    Args:
        address: Host and port.
        buckets: Upper bounds of our own histograms, by name without the unit.

    Raises:
        ConfigurationError: Nothing can listen there, for example because the port is in use.
    """
    prometheus = PrometheusConfig(
        address,
        counters_total_suffix=True,
        unit_suffix=True,
        durations_as_seconds=True,
        histogram_bucket_overrides=buckets,
    )
    try:
        return Runtime(telemetry=TelemetryConfig(metrics=prometheus, attach_service_name=False))
    except ValueError as error:
        log_cause(error, "metrics")
        # The SDK's text is "Failed starting Prometheus exporter: Address already in use (os error 98)".
        reason = str(error).rpartition(": ")[2].partition(" (")[0]
        raise ConfigurationError(f"AUTOS_METRICS_ADDRESS: cannot listen on {address}: {reason}.") from None
