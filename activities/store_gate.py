"""The gate in front of the object store: a deployment-wide circuit breaker over one worker's own observations."""

from __future__ import annotations

import asyncio
import random
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import structlog

from domain.errors import StorageFailure
from domain.messages import RecoveryAdvice
from domain.store_circuit import StoreCircuit, probe_delay

if TYPE_CHECKING:
    from adapters.database.store_circuit import StoreCircuitRepository
    from adapters.storage import ObjectStore

_CACHE_SECONDS = 1.0
# A write that succeeded so recently says enough: the court may be asked for a document.
_WRITE_IS_RECENT_SECONDS = 30.0

_log = structlog.get_logger()


class StoreGate:
    """Opens the circuit when the store takes no writes, and closes it after a probe that succeeds.

    Args:
        circuit: The circuit of the whole deployment.
        store: The store, which probes write a small object to.
    """

    def __init__(self, circuit: StoreCircuitRepository, store: ObjectStore) -> None:
        self._repository = circuit
        self._store = store
        self._circuit = StoreCircuit()
        self._read_at: float | None = None
        self._written_at: float | None = None
        self._lock = asyncio.Lock()

    async def check(self) -> int:
        """Return the circuit's generation if documents can be stored now.

        Writes a small object first if this worker has not written anything for a while.

        Raises:
            StoreUnavailable: The store takes no writes. Nothing should be asked of the court.
        """
        async with self._lock:
            if self._read_at is None or time.monotonic() - self._read_at > _CACHE_SECONDS:
                await self._read()
            if self._circuit.failure is not None:
                raise self._circuit.failure
            if self._written_at is None or time.monotonic() - self._written_at > _WRITE_IS_RECENT_SECONDS:
                await self._probe(self._circuit.generation)
            return self._circuit.generation

    def note_success(self) -> None:
        """Note that a document was stored."""
        self._written_at = time.monotonic()

    async def judge(self, failure: StorageFailure, *, generation: int) -> None:
        """Decide whether a failed write was the store's trouble or that of the one object.

        Returns if the store takes a small object: then the failure is that object's own.

        Args:
            failure: How the write failed.
            generation: What `check` returned before the write.

        Raises:
            StoreUnavailable: The store takes no writes; the circuit is open.
            StorageFailure: The write is from before the circuit last opened and closed. It says nothing about now.
        """
        _log.warning("store request failed", detail=str(failure))
        async with self._lock:
            await self._read()
            if self._circuit.failure is not None:
                raise self._circuit.failure
            if self._circuit.generation != generation:
                raise failure
            await self._probe(generation)

    async def advise(self) -> RecoveryAdvice:
        """Tell a waiting run whether the store takes writes again, and when to ask next.

        Of all that ask, one probes when a probe is due. What another machine's clock says is used for that alone:
        a clock that is wrong makes for a probe too early or one delay too late.
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
                    self.note_success()
                    await self._repository.close(generation=circuit.generation)
                    _log.info("store takes writes again")
                await self._read()
        wait = probe_delay(self._circuit.probes).total_seconds()
        return RecoveryAdvice(
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
        self.note_success()


def _is_due(circuit: StoreCircuit) -> bool:
    return circuit.next_probe_at is None or circuit.next_probe_at <= datetime.now(UTC)
