"""Tombstones: nothing of an erased process is stored or read.

A write of a process holds the lock on the process's row, and looks for a tombstone after it has the lock. Writing a
tombstone takes the same lock: either the write sees the tombstone, or the erasure sees what was written.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Exists, Row, exists, select
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.database.erasure_tables import erasures
from adapters.database.tables import processes
from adapters.database.upserts import insert_into
from domain.errors import ProcessErased, TransactionConflict
from domain.process_number import ProcessNumber


def is_blocked(number: ColumnElement[str]) -> Exists:
    """Return the condition that a process must not come back.

    Args:
        number: The column with the process number.
    """
    return exists().where(erasures.c.blocked_number == number)


async def insert_process(connection: AsyncConnection, number: str) -> None:
    """Insert a process that the court has not listed yet, unless the catalog has it."""
    await connection.execute(
        insert_into(connection, processes).on_conflict_do_nothing(index_elements=["number"]),
        {"number": number, "court": ProcessNumber.parse(number).court, "created_at": datetime.now(UTC)},
    )


async def lock_process(connection: AsyncConnection, number: str, *, exclusive: bool = False) -> bool:
    """Lock a process's row until the transaction ends. Return whether there is one.

    Args:
        connection: The transaction.
        number: The process.
        exclusive: Whether to wait for the transactions that write rows of the process.
    """
    statement = select(processes.c.number).where(processes.c.number == number)
    statement = statement.with_for_update(read=not exclusive, key_share=not exclusive)
    return await connection.scalar(statement) is not None


async def claim_process(connection: AsyncConnection, number: str) -> None:
    """Insert a process unless the catalog has it, and lock its row, for a transaction that writes rows of it.

    Raises:
        ProcessErased: The process must not come back.
        TransactionConflict: An erasure has just deleted the row.
    """
    await insert_process(connection, number)
    is_locked = await lock_process(connection, number)
    await refuse_erased(connection, number)
    if not is_locked:
        raise TransactionConflict("database", "The process was erased a moment ago.")


async def refuse_erased(connection: AsyncConnection, number: str) -> None:
    """Raise if a process must not come back. Call it after `lock_process` in a transaction that writes.

    Raises:
        ProcessErased: It must not.
    """
    row = (await connection.execute(select(erasures).where(erasures.c.blocked_number == number))).one_or_none()
    if row is not None:
        raise to_process_erased(row)


def to_process_erased(row: Row[*tuple[Any, ...]]) -> ProcessErased:
    """Return the error for a row of ``erasures``."""
    return ProcessErased(
        row.process_number,
        running=row.completed_at is None,
        erased_at=row.completed_at or row.requested_at,
    )


async def claim_known(connection: AsyncConnection, numbers: Collection[str]) -> set[str]:
    """Lock the rows of processes, for a transaction that writes rows of them. Return those that are not erased."""
    locked = select(processes.c.number).where(processes.c.number.in_(numbers)).order_by(processes.c.number)
    known = set(await connection.scalars(locked.with_for_update(read=True, key_share=True)))
    blocked = select(erasures.c.blocked_number).where(erasures.c.blocked_number.in_(known))
    return known - set(await connection.scalars(blocked))


async def find_storable(connection: AsyncConnection, numbers: Collection[str]) -> set[str]:
    """Return those of the processes that are in the catalog and not erased."""
    result = await connection.scalars(
        select(processes.c.number).where(processes.c.number.in_(numbers), ~is_blocked(processes.c.number))
    )
    return set(result)
