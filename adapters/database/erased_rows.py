"""The rows of a process under erasure: found, counted into its receipt, and deleted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime

from sqlalchemy import delete, exists, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.database.client_tables import batch_items
from adapters.database.deployment_tables import court
from adapters.database.engine import Database
from adapters.database.erasure_tables import ERASED_ROWS, announces, erasures, reports
from adapters.database.tombstones import lock_process
from adapters.database.webhook_tables import attempts, deliveries
from domain.batches import ERASED_PROBLEM, ERASED_PROBLEM_DETAIL

_PAGE_SIZE = 100


class ErasedRowsRepository:
    """Deletes rows of processes that have a tombstone, and counts them in the receipt. Idempotent."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list_delivery_ids(self, number: str) -> list[str]:
        """Return the ids of up to a hundred deliveries about a process."""
        async with self._database.reading() as connection:
            ids: list[str] = []
            for condition in (reports(number), announces(number)):
                ids += await connection.scalars(select(deliveries.c.id).where(condition).limit(_PAGE_SIZE))
        return ids[:_PAGE_SIZE]

    async def erase_deliveries(self, number: str, ids: Sequence[str], *, workflows: int) -> None:
        """Delete deliveries with their attempts.

        Args:
            number: The process.
            ids: The deliveries.
            workflows: How many executions of theirs were erased in Temporal.
        """
        numbers = select(deliveries.c.number).where(deliveries.c.id.in_(ids))
        async with self._database.writing() as connection:
            await connection.execute(delete(attempts).where(attempts.c.delivery_number.in_(numbers)))
            deleted = await connection.execute(delete(deliveries).where(deliveries.c.id.in_(ids)))
            await _add_counts(connection, number, {"deliveries": deleted.rowcount, "workflows": workflows})

    async def erase_all(self, number: str) -> int:
        """Delete every row of a process, and take it out of all batches. Returns how many rows there were."""
        async with self._database.writing() as connection:
            await lock_process(connection, number, exclusive=True)
            counts: Counter[str] = Counter()
            found = 0
            for erased in ERASED_ROWS:
                deleted = await connection.execute(delete(erased.table).where(erased.condition(number)))
                found += deleted.rowcount
                if erased.counted_as is not None:
                    counts[erased.counted_as] += deleted.rowcount
            found += await _erase_batch_items(connection, number)
            found += await _forget_failed_request(connection, number)
            await _add_counts(connection, number, counts)
        return found

    async def add_workflows(self, number: str, workflows: int) -> None:
        """Count executions that were erased in Temporal."""
        async with self._database.writing() as connection:
            await _add_counts(connection, number, {"workflows": workflows})

    async def count_objects(self, number: str, objects: int, size_bytes: int) -> None:
        """Count the stored objects, before the first of them is deleted. Only the first call counts."""
        async with self._database.writing() as connection:
            await connection.execute(
                update(erasures)
                .where(erasures.c.blocked_number == number, erasures.c.objects.is_(None))
                .values(objects=objects, bytes=size_bytes)
            )

    async def are_objects_counted(self, number: str) -> bool:
        """Return whether the stored objects were counted."""
        async with self._database.reading() as connection:
            counted = select(erasures.c.objects).where(erasures.c.blocked_number == number)
            return await connection.scalar(counted) is not None


async def find_rows(connection: AsyncConnection, number: str) -> bool:
    """Return whether the catalog has any row of a process, batches left out."""
    has_rows = or_(*(exists().where(erased.condition(number)) for erased in ERASED_ROWS))
    return bool(await connection.scalar(select(has_rows)))


async def _add_counts(connection: AsyncConnection, number: str, counts: dict[str, int]) -> None:
    added = {name: erasures.c[name] + count for name, count in counts.items() if count}
    if added:
        await connection.execute(update(erasures).where(erasures.c.blocked_number == number).values(added))


async def _erase_batch_items(connection: AsyncConnection, number: str) -> int:
    """Take a process out of all batches. The items keep their positions."""
    erased = await connection.execute(
        update(batch_items)
        .where(batch_items.c.process_number == number)
        .values(
            given="",
            process_number=None,
            decision=None,
            run_id=None,
            problem_code=ERASED_PROBLEM,
            problem_detail=ERASED_PROBLEM_DETAIL,
            decided_at=func.coalesce(batch_items.c.decided_at, datetime.now(UTC)),
        )
    )
    return erased.rowcount


async def _forget_failed_request(connection: AsyncConnection, number: str) -> int:
    """Let the probes of the court ask for another process than this one."""
    forgotten = await connection.execute(
        update(court).where(court.c.process_number == number).values(process_number=None)
    )
    return forgotten.rowcount
