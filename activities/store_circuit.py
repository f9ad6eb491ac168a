"""The circuit breaker in front of the object store, as one worker sees it."""

from __future__ import annotations

import asyncio
import random
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import structlog

from domain.circuit_messages import RecoveryState
from domain.errors import StorageFailure
from domain.store_circuit import StoreCircuit, probe_delay

if TYPE_CHECKING:
    from adapters.database.store_circuit import StoreCircuitRepository
    from adapters.storage import ObjectStore

_CACHE_SECONDS = 1.0
# After a write that succeeded so recently, a document may be requested from the court without a probe.
_RECENT_WRITE_SECONDS = 30.0

_log = structlog.get_logger()


class StoreCircuitBreaker:
    """Deployment-wide circuit breaker of the store: opens when a probe fails, and closes when one succeeds.

    A probe writes a small object to the store.

    Args:
        circuit: The state of the deployment's circuit.
        store: The store.
    """

    def __init__(self, circuit: StoreCircuitRepository, store: ObjectStore) -> None:
        self._repository = circuit
        self._store = store
        self._circuit = StoreCircuit()
        self._read_at: float | None = None
        self._last_write_at: float | None = None
        self._lock = asyncio.Lock()

    async def check(self) -> int:
        """Return the circuit's generation if documents can be stored now.

        Writes a small object first if this worker has not written anything for a while.

        Raises:
            StoreUnavailable: The store takes no writes. Nothing should be requested from the court.
        """
        async with self._lock:
            if self._read_at is None or time.monotonic() - self._read_at > _CACHE_SECONDS:
                await self._read()
            if self._circuit.failure is not None:
                raise self._circuit.failure
            if self._last_write_at is None or time.monotonic() - self._last_write_at > _RECENT_WRITE_SECONDS:
                await self._probe(self._circuit.generation)
            return self._circuit.generation

    def record_success(self) -> None:
        """Record a successful write, so that `check` needs no probe for a while."""
        self._last_write_at = time.monotonic()

    async def record_failure(self, failure: StorageFailure, *, generation: int) -> None:
        """Probe the store after a failed write, and open the circuit if the probe fails too.

        Returns if the probe succeeds: then the failure concerns that one object only.

        Args:
            failure: How the write failed.
            generation: What `check` returned before the write.

        Raises:
            StoreUnavailable: The store takes no writes; the circuit is open.
            StorageFailure: The circuit has opened and closed since the write, so the failure says nothing about
                now.
        """
        _log.warning("store request failed", detail=str(failure))
        async with self._lock:
            await self._read()
            if self._circuit.failure is not None:
                raise self._circuit.failure
            if self._circuit.generation != generation:
                raise failure
            await self._probe(generation)

    async def probe_if_due(self) -> RecoveryState:
        """Return whether the store takes writes again, and when to ask next.

        When a probe is due, one of all callers in the deployment claims and sends it. The due time is by another
        machine's clock and is used for nothing else: with a wrong clock the probe is too early, or one delay late.
        """
        async with self._lock:
            await self._read()
            circuit = self._circuit
            if circuit.failure is not None and _is_due(circuit) and await self._repository.claim_probe(circuit):
                try:
                    await self._store.check_write()
                except StorageFailure as failure:
                    _log.warning("store still unavailable", detail=str(failure))
                else:
                    self.record_success()
                    await self._repository.close(generation=circuit.generation)
                    _log.info("store takes writes again")
                await self._read()
        wait = probe_delay(self._circuit.probes).total_seconds()
        return RecoveryState(
            answers=self._circuit.failure is None,
            look_again_seconds=wait * random.uniform(1.05, 1.3),  # noqa: S311 - spreads load, guards nothing.
        )

    async def _read(self) -> None:
        self._circuit = await self._repository.read()
        self._read_at = time.monotonic()

    async def _probe(self, generation: int) -> None:
        try:
            await self._store.check_write()
        except StorageFailure as failure:
            if await self._repository.open(str(failure), generation=generation):
                _log.error("store unavailable", detail=str(failure))
            await self._read()
            raise (self._circuit.failure or failure) from None
        self.record_success()


def _is_due(circuit: StoreCircuit) -> bool:
    return circuit.next_probe_at is None or circuit.next_probe_at <= datetime.now(UTC)
