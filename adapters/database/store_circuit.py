"""The circuit breaker of the object store, in one row that every worker and the alerts read."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import Row, select, update

from adapters.database.deployment_tables import SINGLE_ROW_ID, store_circuit
from adapters.database.engine import Database
from adapters.database.upserts import insert_into
from domain.store_circuit import StoreCircuit, probe_delay


class StoreCircuitRepository:
    """Read and change the circuit. Every change is conditional, so that only one of several callers succeeds."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def read(self) -> StoreCircuit:
        """Return the current state of the circuit."""
        async with self._database.reading() as connection:
            row = (await connection.execute(select(store_circuit))).one_or_none()
        return to_store_circuit(row)

    async def open(self, reason: str, *, generation: int) -> bool:
        """Open the circuit, unless it has changed since ``generation`` was read. Return whether it was opened."""
        now = datetime.now(UTC)
        async with self._database.writing() as connection:
            await connection.execute(
                insert_into(connection, store_circuit).on_conflict_do_nothing(index_elements=["id"]),
                {"id": SINGLE_ROW_ID, "generation": 0, "probes": 0},
            )
            opened = await connection.execute(
                update(store_circuit)
                .where(store_circuit.c.generation == generation, store_circuit.c.reason.is_(None))
                .values(
                    generation=generation + 1,
                    reason=reason,
                    since=now,
                    probes=0,
                    next_probe_at=now + probe_delay(0),
                )
            )
            return opened.rowcount == 1

    async def close(self, *, generation: int) -> bool:
        """Close the circuit after a successful write. Return whether it was open."""
        async with self._database.writing() as connection:
            closed = await connection.execute(
                update(store_circuit)
                .where(store_circuit.c.generation == generation, store_circuit.c.reason.is_not(None))
                .values(
                    generation=generation + 1, reason=None, since=datetime.now(UTC), probes=0, next_probe_at=None
                )
            )
            return closed.rowcount == 1

    async def claim_probe(self, circuit: StoreCircuit) -> datetime | None:
        """Atomically claim the probe that is due.

        The claim counts the probe as failed at once: if the claimer dies, the next probe is due one delay later.

        Returns:
            When the next probe is due, for exactly one caller. None for the others.
        """
        now = datetime.now(UTC)
        next_probe_at = now + probe_delay(circuit.probes + 1)
        async with self._database.writing() as connection:
            claimed = await connection.execute(
                update(store_circuit)
                .where(
                    store_circuit.c.generation == circuit.generation,
                    store_circuit.c.probes == circuit.probes,
                    store_circuit.c.reason.is_not(None),
                )
                .values(probes=circuit.probes + 1, next_probe_at=next_probe_at)
            )
        return next_probe_at if claimed.rowcount == 1 else None


def to_store_circuit(row: Row[tuple[object, ...]] | None) -> StoreCircuit:
    """Convert a row of ``store_circuit``. No row means that the circuit never opened."""
    if row is None:
        return StoreCircuit()
    return StoreCircuit(row.generation, row.reason, row.since, row.probes, row.next_probe_at)
