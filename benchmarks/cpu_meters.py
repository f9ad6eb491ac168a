"""CPU time of every service of a bench: other programs on the machine disturb it less than durations."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from benchmarks.measurement import Figure, Part
from benchmarks.sizing_meters import service_cpu_seconds

if TYPE_CHECKING:
    from benchmarks.bench import Bench

_NAMES = {
    "worker": "worker",
    "api": "API",
    "temporal": "Temporal's server",
    "s3": "S3's server",
    "simulator": "simulated court",
}
# The service that stands for the court is none of ours.
_NOT_OURS = "simulator"
# What is written behind the end of a run: Temporal's visibility, S3's own files.
_SETTLE_SECONDS = 0.5


class CpuMeter:
    """Measures the CPU time of each service since its creation."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._before = self._read()

    async def read_parts(self, documents: int) -> tuple[Part, ...]:
        """Return what a document has cost in each service, in milliseconds."""
        await asyncio.sleep(_SETTLE_SECONDS)
        return tuple(
            Part(name, Figure(1000 * seconds / documents, "ms of CPU")) for name, seconds in self._spent().items()
        )

    async def read_total(self) -> float:
        """Return the CPU seconds of all services together, without those of the simulated court."""
        await asyncio.sleep(_SETTLE_SECONDS)
        return sum(seconds for name, seconds in self._spent().items() if name != _NAMES[_NOT_OURS])

    def _spent(self) -> dict[str, float]:
        now = self._read()
        return {name: now[name] - before for name, before in self._before.items()}

    def _read(self) -> dict[str, float]:
        seconds = {name: service_cpu_seconds(self._bench.services[service]) for service, name in _NAMES.items()}
        if self._bench.postgres is not None:
            seconds["Postgres"] = self._bench.postgres.cpu_seconds()
        return seconds
