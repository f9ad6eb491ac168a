"""The circuit breaker of the object store. While it is open, nothing is downloaded from the court."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from domain.errors import StoreUnavailable

_FIRST_PROBE_DELAY = timedelta(seconds=1)
_MAX_PROBE_DELAY = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class StoreCircuit:
    """The state of the circuit breaker: whether the store took the last writes of the deployment.

    Attributes:
        generation: Incremented each time the circuit opens or closes. A failure counts only if the generation is
            still the one that was read before the write.
        reason: Why writes fail, in short. None while the circuit is closed.
        since: When the circuit opened or closed.
        probes: Number of probes that have failed since the circuit opened.
        next_probe_at: When the next probe is due. None while the circuit is closed.
    """

    generation: int = 0
    reason: str | None = None
    since: datetime | None = None
    probes: int = 0
    next_probe_at: datetime | None = None

    @property
    def failure(self) -> StoreUnavailable | None:
        """The error to raise for requests that need the store. None while the circuit is closed."""
        return None if self.reason is None else StoreUnavailable(self.reason)


def probe_delay(probes: int) -> timedelta:
    """Return the exponential backoff after this many failed probes: 1 s, doubling, at most 60 s."""
    return min(_FIRST_PROBE_DELAY * (1 << min(probes, 16)), _MAX_PROBE_DELAY)
