"""What is known of a case besides its documents: basic data, parties, related processes, and the timeline."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, and_, false, or_, select, true
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.database.case_tables import movements, parties, related_processes
from adapters.database.engine import Database
from adapters.database.movement_rows import (
    DOCUMENT_IS_OPEN,
    MOVEMENT_IS_OPEN,
    PROCESS_IS_OPEN,
    SELECT_DOCUMENTS,
    SELECT_MOVEMENTS,
    read_open_ids,
    to_document_summary,
    to_movement,
)
from adapters.database.process_rows import IS_COUNTED, OF_PROCESS
from adapters.database.tables import documents, instances, processes
from adapters.database.tombstones import refuse_erased
from domain.cases import CaseData, CaseInstance, TimelineEntry, TimelineKey
from domain.listings import Instance, Lawyer, Party, RelatedProcess
from domain.secrecy import Secrecy, strictest

# A paper that is listed under another id now is in the timeline once.
_SELECT_DOCUMENTS = SELECT_DOCUMENTS.where(IS_COUNTED, documents.c.replaced_by.is_(None))
_SELECT_INSTANCES = (
    select(instances)
    .where(instances.c.process_number == OF_PROCESS)
    .order_by(instances.c.current.desc(), instances.c.id)
)
_SELECT_PARTIES = select(parties).where(parties.c.process_number == OF_PROCESS).order_by(parties.c.position)
_SELECT_RELATED = (
    select(related_processes)
    .where(related_processes.c.process_number == OF_PROCESS)
    .order_by(related_processes.c.position)
)
_BEGINNING = datetime.min.replace(tzinfo=UTC)


class CaseRepository:
    """Reads cases."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, number: str) -> CaseData | None:
        """Return what the last listing says of a case. None if the process is unknown.

        Raises:
            ProcessErased: The process was erased, or is being erased.
        """
        async with self._database.reading() as connection:
            await refuse_erased(connection, number)
            row = (await connection.execute(select(processes).where(processes.c.number == number))).one_or_none()
            return None if row is None else await _read_case(connection, row)

    async def exists(self, number: str) -> bool:
        """Return whether the process is known.

        Raises:
            ProcessErased: The process was erased, or is being erased.
        """
        async with self._database.reading() as connection:
            await refuse_erased(connection, number)
            known = select(processes.c.number).where(processes.c.number == number)
            return await connection.scalar(known) is not None

    async def timeline(
        self, number: str, *, after: TimelineKey | None, limit: int, open_only: bool = False
    ) -> list[TimelineEntry]:
        """Return movements and documents in the order of time: the latest first, those without a time last.

        Args:
            number: The process.
            after: The place of the last entry of the page before. None for the first page.
            limit: Maximum number of entries.
            open_only: Leave out what a key without the scope ``sealed`` may not read.
        """
        entries: list[TimelineEntry] = []
        async with self._database.reading() as connection:
            for is_dated in (True, False):
                if len(entries) < limit and (is_dated is False or after is None or after.at is not None):
                    part = _Part(number, after, limit - len(entries), open_only, is_dated)
                    found = [*await _read_movements(connection, part), *await _read_documents(connection, part)]
                    entries += sorted(found, key=_sort_key, reverse=True)[: part.limit]
        return entries


def _sort_key(entry: TimelineEntry) -> tuple[datetime, bool, str]:
    key = entry.key
    return key.at or _BEGINNING, key.is_movement, key.id


@dataclass(frozen=True, slots=True)
class _Part:
    """A part of a page of the timeline: the entries that have a time, or those without one.

    Attributes:
        after: The place of the last entry of the page before. None for the first page.
        limit: Maximum number of entries.
        open_only: Leave out what a key without the scope ``sealed`` may not read.
    """

    number: str
    after: TimelineKey | None
    limit: int
    open_only: bool
    is_dated: bool

    def select_from(
        self,
        statement: Select[*tuple[Any, ...]],
        at: ColumnElement[datetime],
        entry_id: ColumnElement[str],
        *,
        is_movement: bool,
        is_open: ColumnElement[bool],
    ) -> Select[*tuple[Any, ...]]:
        """Return the SELECT for this part of a table, in order."""
        statement = statement.where(self._is_after(at, entry_id, is_movement=is_movement))
        if self.open_only:
            statement = statement.where(PROCESS_IS_OPEN, is_open)
        order = (at.desc(), entry_id.desc()) if self.is_dated else (entry_id.desc(),)
        return statement.order_by(*order).limit(self.limit)

    def _is_after(
        self, at: ColumnElement[datetime], entry_id: ColumnElement[str], *, is_movement: bool
    ) -> ColumnElement[bool]:
        has_date = at.is_not(None) if self.is_dated else at.is_(None)
        after = self.after
        if after is None or (after.at is not None and not self.is_dated):
            return has_date
        # At one moment, movements come before documents.
        same_moment: ColumnElement[bool] = false()
        if is_movement is after.is_movement:
            same_moment = entry_id < after.id
        elif after.is_movement:
            same_moment = true()
        if after.at is None:
            return and_(has_date, same_moment)
        return and_(at <= after.at, or_(at < after.at, same_moment))


async def _read_movements(connection: AsyncConnection, part: _Part) -> list[TimelineEntry]:
    statement = part.select_from(
        SELECT_MOVEMENTS.where(movements.c.process_number == part.number),
        *(movements.c.occurred_at, movements.c.key),
        is_movement=True,
        is_open=MOVEMENT_IS_OPEN,
    )
    rows = (await connection.execute(statement)).all()
    open_ids = await read_open_ids(connection, part.number, (row.named_id for row in rows))
    return [TimelineEntry(to_movement(row, open_ids)) for row in rows]


async def _read_documents(connection: AsyncConnection, part: _Part) -> list[TimelineEntry]:
    statement = part.select_from(
        _SELECT_DOCUMENTS.where(documents.c.process_number == part.number),
        *(documents.c.filed_at, documents.c.id),
        is_movement=False,
        is_open=DOCUMENT_IS_OPEN,
    )
    return [TimelineEntry(to_document_summary(row)) for row in await connection.execute(statement)]


async def _read_case(connection: AsyncConnection, row: Row[*tuple[Any, ...]]) -> CaseData:
    of_process = {"of_process": row.number}
    by_id = {each.id: each for each in await connection.execute(_SELECT_INSTANCES, of_process)}
    party_rows = await connection.execute(_SELECT_PARTIES, of_process)
    related_rows = await connection.execute(_SELECT_RELATED, of_process)
    return CaseData(
        number=row.number,
        court=row.court,
        secrecy=Secrecy(row.secrecy),
        class_code=row.class_code,
        class_name=row.class_name,
        subjects=tuple(row.subjects),
        filed_at=row.filed_at,
        value=row.value,
        listed_at=row.listed_at,
        unlisted_at=row.unlisted_at,
        instances=tuple(_to_case_instance(each, row) for each in by_id.values()),
        parties=tuple(
            Party(
                by_id[each.instance_id].key,
                each.name,
                each.pole,
                tuple(Lawyer(**lawyer) for lawyer in each.lawyers),
            )
            for each in party_rows
        ),
        related=tuple(
            RelatedProcess(
                instance_key=by_id[each.instance_id].key,
                number=each.related_number,
                relation=each.relation,
                class_code=each.class_code,
                class_name=each.class_name,
                active=each.active,
            )
            for each in related_rows
        ),
    )


def _to_case_instance(row: Row[*tuple[Any, ...]], process: Row[*tuple[Any, ...]]) -> CaseInstance:
    level = Secrecy(row.secrecy)
    instance = Instance(
        key=row.key,
        degree=row.degree,
        name=row.name,
        court_unit=row.court_unit,
        filed_at=row.filed_at,
        current=row.current,
        secrecy=level,
        class_code=row.class_code,
        class_name=row.class_name,
        subjects=tuple(row.subjects),
        value=row.value,
    )
    # The last listing may lack an instance that an earlier one had.
    is_listed = row.last_listed_at is None or row.last_listed_at == process.listed_at
    unlisted_at = process.unlisted_at or (None if is_listed else row.last_listed_at)
    return CaseInstance(instance, strictest([level, Secrecy(process.secrecy)]), unlisted_at)
