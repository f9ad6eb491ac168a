"""SELECT statements over movements and summaries of documents, and their rows as domain objects."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from sqlalchemy import ColumnElement, FromClause, Row, and_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.database.case_tables import movements
from adapters.database.tables import documents, instances, processes
from domain.cases import DocumentSummary, Movement
from domain.listings import Instance
from domain.secrecy import OPEN_LEVELS, Secrecy, strictest

_DOCUMENT_INSTANCES = instances.alias("document_instances")
_MOVEMENT_INSTANCES = instances.alias("movement_instances")
_INSTANCE_COLUMNS = ("key", "degree", "name", "court_unit", "filed_at", "current", "secrecy")


def _instance_columns(table: FromClause, prefix: str) -> list[ColumnElement[Any]]:
    return [table.c[name].label(f"{prefix}_instance_{name}") for name in _INSTANCE_COLUMNS]


_MOVEMENT_COLUMNS = (
    movements.c.key.label("movement_key"),
    movements.c.occurred_at.label("movement_at"),
    movements.c.code.label("movement_code"),
    movements.c.text.label("movement_text"),
    movements.c.secrecy.label("movement_secrecy"),
    movements.c.unlisted_at.label("movement_unlisted_at"),
    movements.c.document_id.label("named_id"),
    *_instance_columns(_MOVEMENT_INSTANCES, "movement"),
)
_DOCUMENT_COLUMNS = (
    documents.c.id.label("document_id"),
    documents.c.name.label("document_name"),
    documents.c.type_name.label("document_type"),
    documents.c.filed_at.label("document_filed_at"),
    documents.c.secrecy.label("document_secrecy"),
    documents.c.unlisted_at.label("document_unlisted_at"),
    *_instance_columns(_DOCUMENT_INSTANCES, "document"),
)
_PROCESS_COLUMNS = (
    processes.c.secrecy.label("process_secrecy"),
    processes.c.unlisted_at.label("process_unlisted_at"),
)
# Whether a key without the scope `sealed` may read them: `domain.secrecy.is_withheld` in SQL. A test compares both.
PROCESS_IS_OPEN = and_(processes.c.secrecy.in_(OPEN_LEVELS), processes.c.unlisted_at.is_(None))
MOVEMENT_IS_OPEN = and_(
    movements.c.secrecy.in_(OPEN_LEVELS),
    _MOVEMENT_INSTANCES.c.secrecy.in_(OPEN_LEVELS),
    movements.c.unlisted_at.is_(None),
)
DOCUMENT_IS_OPEN = and_(
    documents.c.secrecy.in_(OPEN_LEVELS),
    _DOCUMENT_INSTANCES.c.secrecy.in_(OPEN_LEVELS),
    documents.c.unlisted_at.is_(None),
)

_JOINED_DOCUMENTS = documents.join(processes, documents.c.process_number == processes.c.number).join(
    _DOCUMENT_INSTANCES, documents.c.instance_id == _DOCUMENT_INSTANCES.c.id
)
_JOINED_MOVEMENTS = movements.join(processes, movements.c.process_number == processes.c.number).join(
    _MOVEMENT_INSTANCES, movements.c.instance_id == _MOVEMENT_INSTANCES.c.id
)
# For `to_document_summary` and `to_movement`.
SELECT_DOCUMENTS = select(documents.c.process_number, *_DOCUMENT_COLUMNS, *_PROCESS_COLUMNS).select_from(
    _JOINED_DOCUMENTS
)
SELECT_MOVEMENTS = select(movements.c.process_number, *_MOVEMENT_COLUMNS, *_PROCESS_COLUMNS).select_from(
    _JOINED_MOVEMENTS
)


async def read_open_ids(connection: AsyncConnection, number: str, document_ids: Iterable[str | None]) -> set[str]:
    """Return those of a process's documents that every reader may see.

    A query of its own: as a join, a planner without statistics of a large process may compare all with all.
    """
    ids = {document_id for document_id in document_ids if document_id is not None}
    if not ids:
        return set()
    result = await connection.scalars(
        select(documents.c.id)
        .select_from(_JOINED_DOCUMENTS)
        .where(documents.c.process_number == number, documents.c.id.in_(ids), PROCESS_IS_OPEN, DOCUMENT_IS_OPEN)
    )
    return set(result)


def to_movement(row: Row[*tuple[Any, ...]], open_ids: Collection[str]) -> Movement:
    """Convert a row of ``SELECT_MOVEMENTS``.

    Args:
        row: The row.
        open_ids: The documents that every reader may see.
    """
    return Movement(
        key=row.movement_key,
        instance=_to_instance(row, "movement"),
        occurred_at=row.movement_at,
        code=row.movement_code,
        text=row.movement_text,
        document_id=row.named_id,
        document_is_open=row.named_id in open_ids,
        secrecy=strictest(map(Secrecy, (row.movement_secrecy, row.movement_instance_secrecy, row.process_secrecy))),
        unlisted_at=row.movement_unlisted_at or row.process_unlisted_at,
    )


def to_document_summary(row: Row[*tuple[Any, ...]]) -> DocumentSummary:
    """Convert a row of ``SELECT_DOCUMENTS``."""
    return DocumentSummary(
        id=row.document_id,
        instance=_to_instance(row, "document"),
        name=row.document_name,
        type_name=row.document_type,
        filed_at=row.document_filed_at,
        secrecy=strictest(map(Secrecy, (row.document_secrecy, row.document_instance_secrecy, row.process_secrecy))),
        unlisted_at=row.document_unlisted_at or row.process_unlisted_at,
    )


def _to_instance(row: Row[*tuple[Any, ...]], prefix: str) -> Instance:
    values = {name: getattr(row, f"{prefix}_instance_{name}") for name in _INSTANCE_COLUMNS}
    return Instance(**{**values, "secrecy": Secrecy(values["secrecy"])})
