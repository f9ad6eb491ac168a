"""The circuit breaker of the object store: while it is open, nothing is fetched from the court."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from domain.errors import StoreUnavailable

_FIRST_PROBE_DELAY = timedelta(seconds=1)
_LONGEST_PROBE_DELAY = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class StoreCircuit:
    """Whether the store takes writes, as the deployment last found it.

    Attributes:
        generation: Grows each time the circuit opens or closes. A failure counts only against the generation that
            was read before the write.
        reason: Why writes fail, short. None while the circuit is closed.
        since: When the circuit opened or closed.
        probes: Writes that have failed since the circuit opened.
        next_probe_at: When the next probe is due. None while the circuit is closed.
    """

    generation: int = 0
    reason: str | None = None
    since: datetime | None = None
    probes: int = 0
    next_probe_at: datetime | None = None

    @property
    def failure(self) -> StoreUnavailable | None:
        """The error that whoever needs the store meets. None while the circuit is closed."""
        return None if self.reason is None else StoreUnavailable(self.reason)


def probe_delay(probes: int) -> timedelta:
    """Return the wait before the next probe, after so many that failed: 1 s, doubling, at most 60 s."""
    return min(_FIRST_PROBE_DELAY * (1 << min(probes, 16)), _LONGEST_PROBE_DELAY)
