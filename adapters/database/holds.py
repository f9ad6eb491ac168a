"""Legal holds: a process under hold is not erased."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import delete, select, update

from adapters.database.engine import Database
from adapters.database.erasure_tables import legal_holds
from adapters.database.tombstones import lock_process, refuse_erased
from adapters.database.upserts import insert_into
from domain.erasure import Author, LegalHold


class HoldRepository:
    """The table of legal holds."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def place(self, number: str, author: Author, reason: str | None) -> bool:
        """Place a hold on a process, in one transaction with the check for a tombstone.

        A hold that is there already keeps its time and author. A reason replaces the former one.

        Returns:
            Whether the process is in the catalog. Nothing was changed if it is not.

        Raises:
            ProcessErased: The process was erased, or is being erased. Nothing was changed.
        """
        async with self._database.writing() as connection:
            is_known = await lock_process(connection, number, exclusive=True)
            await refuse_erased(connection, number)
            if not is_known:
                return False
            await connection.execute(
                insert_into(connection, legal_holds).on_conflict_do_nothing(index_elements=["process_number"]),
                {
                    "process_number": number,
                    "placed_at": datetime.now(UTC),
                    "placed_by": author.client,
                    "key_id": author.key_id,
                },
            )
            if reason is not None:
                await connection.execute(
                    update(legal_holds).where(legal_holds.c.process_number == number).values(reason=reason)
                )
            return True

    async def get(self, number: str) -> LegalHold | None:
        """Return the hold on a process. None if there is none."""
        async with self._database.reading() as connection:
            row = (
                await connection.execute(select(legal_holds).where(legal_holds.c.process_number == number))
            ).one_or_none()
        if row is None:
            return None
        return LegalHold(row.process_number, row.placed_at, Author(row.placed_by, row.key_id), row.reason)

    async def release(self, number: str) -> bool:
        """Release the hold on a process. Return whether there was one."""
        async with self._database.writing() as connection:
            released = await connection.execute(delete(legal_holds).where(legal_holds.c.process_number == number))
            return released.rowcount > 0
