"""The circuit breaker of the object store, in one row that every worker and the alerts read."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import Row, select, update

from adapters.database.engine import Database
from adapters.database.tables import store_circuit
from adapters.database.upserts import insert_into
from domain.store_circuit import StoreCircuit, probe_delay

_THE_ROW = 1


class StoreCircuitRepository:
    """Reads and changes the circuit. Every change is conditional, so that of many callers one takes effect."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def read(self) -> StoreCircuit:
        """Return the circuit as it is now."""
        async with self._database.reading() as connection:
            row = (await connection.execute(select(store_circuit))).one_or_none()
        return to_store_circuit(row)

    async def open(self, reason: str, *, generation: int) -> bool:
        """Open the circuit, unless it has changed since ``generation`` was read. Returns whether it did."""
        now = datetime.now(UTC)
        async with self._database.writing() as connection:
            await connection.execute(
                insert_into(connection, store_circuit).on_conflict_do_nothing(index_elements=["id"]),
                {"id": _THE_ROW, "generation": 0, "probes": 0},
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
        """Close the circuit after a write that succeeded. Returns whether it was open."""
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
        """Claim the probe that is due. Returns when the next one is due, to exactly one caller; None to the others.

        The claim counts the probe as failed at once: if the claimer dies, the next probe is due a delay later.
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
    """Read a row of ``store_circuit``. No row is a circuit that never opened."""
    if row is None:
        return StoreCircuit()
    return StoreCircuit(row.generation, row.reason, row.since, row.probes, row.next_probe_at)
