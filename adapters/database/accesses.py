"""The access trail: appended to and read, never changed. Nothing of an erased process is appended."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime

from sqlalchemy import Row, Select, bindparam, exists, insert, literal, select, tuple_

from adapters.database.access_tables import accesses
from adapters.database.batching import Batcher
from adapters.database.engine import Database
from adapters.database.tables import UtcDateTime, processes
from adapters.database.tombstones import claim_known, is_blocked, refuse_erased
from domain.accesses import Access, AccessFilter, AccessKind, RecordedAccess
from domain.errors import TransactionConflict

_WRITTEN = [column for column in accesses.c if not column.primary_key]
_VALUES = {column.name: bindparam(f"new_{column.name}", type_=column.type) for column in _WRITTEN}
# One statement: an answer waits for each round trip.
_INSERT_UNLESS_ERASED = insert(accesses).from_select(
    _WRITTEN,
    select(*_VALUES.values()).where(
        exists().where(processes.c.number == _VALUES["process_number"]), ~is_blocked(_VALUES["process_number"])
    ),
)


class AccessRepository:
    """The table of the access trail.

    Attributes:
        is_kept: Whether accesses are recorded. An operator may decide against a trail.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self.is_kept = True
        # Group commit: accesses that come while others are being written share the next transaction. No window: an
        # answer waits for this.
        self._insert = Batcher(self._insert_all, window_seconds=0)

    async def record(self, access: Access) -> None:
        """Append an access. Returns once it is committed, so that the documents can be handed over.

        Raises:
            DependencyUnavailable: The database does not answer. Then nothing may be handed over.
            ProcessErased: The process was erased since the documents were read. Nothing may be handed over either.
            TransactionConflict: The same, and it is allowed again.
        """
        if self.is_kept and not await self._insert(access):
            async with self._database.reading() as connection:
                await refuse_erased(connection, access.process_number)
            raise TransactionConflict("database", "The process was erased a moment ago.")

    async def page(
        self, wanted: AccessFilter, *, before: tuple[datetime, int] | None = None, limit: int
    ) -> list[RecordedAccess]:
        """Return a page of accesses, newest first.

        Args:
            wanted: Which accesses.
            before: ``at`` and number of the last access of the page before. None for the first page.
            limit: Maximum number of accesses.
        """
        statement = _filtered(select(accesses), wanted)
        if before is not None:
            at, number = before
            key = tuple_(accesses.c.at, accesses.c.number)
            statement = statement.where(key < tuple_(literal(at, UtcDateTime()), literal(number)))
        order = (accesses.c.at.desc(), accesses.c.number.desc())
        async with self._database.reading() as connection:
            rows = (await connection.execute(statement.order_by(*order).limit(limit))).all()
        return [_to_access(row) for row in rows]

    async def _insert_all(self, batch: Sequence[Access]) -> Sequence[bool]:
        """Insert those accesses whose process is not erased, in one transaction. Return of each whether it was."""
        now = datetime.now(UTC)
        rows = [
            {
                "at": now,
                "process_number": access.process_number,
                "client": access.recipient.client.name,
                "key_id": access.recipient.client.key_id,
                "how": access.how,
                "document_ids": json.dumps(access.document_ids, separators=(",", ":")),
                "request_id": access.recipient.request_id,
                "event_id": access.recipient.event_id,
                "purpose": access.recipient.purpose,
            }
            for access in batch
        ]
        if len(rows) == 1:
            values = {f"new_{name}": value for name, value in rows[0].items()}
            async with self._database.writing(one_statement=True) as connection:
                return [(await connection.execute(_INSERT_UNLESS_ERASED, values)).rowcount == 1]
        async with self._database.writing() as connection:
            known = await claim_known(connection, {access.process_number for access in batch})
            written = [row for row in rows if row["process_number"] in known]
            if written:
                await connection.execute(insert(accesses), written)
        return [access.process_number in known for access in batch]


def _filtered(statement: Select[tuple[object, ...]], wanted: AccessFilter) -> Select[tuple[object, ...]]:
    columns = accesses.c
    conditions = {
        columns.process_number: wanted.process_number,
        columns.client: wanted.client,
        columns.how: wanted.how,
    }
    for column, value in conditions.items():
        if value is not None:
            statement = statement.where(column == value)
    if wanted.document_id is not None:
        # A document's former contents have its id and more.
        statement = statement.where(columns.document_ids.contains(f'"{wanted.document_id}', autoescape=True))
    if wanted.since is not None:
        statement = statement.where(columns.at >= wanted.since)
    if wanted.until is not None:
        statement = statement.where(columns.at < wanted.until)
    return statement


def _to_access(row: Row[tuple[object, ...]]) -> RecordedAccess:
    return RecordedAccess(
        number=row.number,
        at=row.at,
        process_number=row.process_number,
        client=row.client,
        key_id=row.key_id,
        how=AccessKind(row.how),
        document_ids=tuple(json.loads(row.document_ids)),
        request_id=row.request_id,
        event_id=row.event_id,
        purpose=row.purpose,
    )
