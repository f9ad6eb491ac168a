"""Searches in the documents of one process. What is withheld from a reader is neither found nor sorted by."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, and_, case, desc, func, literal, or_, select, true
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.database.document_rows import DOCUMENTS_WITH_LEVELS, SELECT_DOCUMENTS, to_document, to_instance
from adapters.database.engine import Database
from adapters.database.process_rows import is_counted_in
from adapters.database.secrecy import IS_OPEN
from adapters.database.tables import documents, instances
from domain.clients import Scope
from domain.document_search import DocumentFilters, DocumentOrder, DocumentState, FoundDocuments
from domain.documents import Document, DocumentStatus
from domain.errors import FailureCode
from domain.listings import Instance

# A row that an older service wrote during an upgrade has no search text until the next listing.
_SEARCHED = func.coalesce(
    documents.c.search_text,
    func.lower(func.coalesce(documents.c.name, "") + " " + func.coalesce(documents.c.type_name, "")),
)
_SORTED_BY = {
    DocumentOrder.OLDEST: documents.c.filed_at,
    DocumentOrder.NEWEST: documents.c.filed_at,
    DocumentOrder.NAME: documents.c.search_text,
    DocumentOrder.LARGEST: documents.c.size_bytes,
}
_INSTANCE_COLUMNS = ("key", "degree", "name", "court_unit", "filed_at", "current", "secrecy")
_DESCENDING = frozenset({DocumentOrder.NEWEST, DocumentOrder.LARGEST})


class _Sorting(NamedTuple):
    """What rows are sorted by, before their positions.

    Attributes:
        lacks_key: 1 for documents without a key, which come last, among them all that are withheld.
        key: The key. NULL where it is lacking.
    """

    lacks_key: ColumnElement[int]
    key: ColumnElement[Any]
    descending: bool


class DocumentSearchRepository:
    """Pages of filtered and sorted documents."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(
        self,
        number: str,
        filters: DocumentFilters,
        order: DocumentOrder,
        *,
        scopes: Collection[Scope],
        after: int = 0,
        limit: int,
    ) -> FoundDocuments:
        """Return a page of the documents that match, and what is known of all documents of the process.

        Args:
            number: The process.
            filters: Which documents.
            order: In which order.
            scopes: The scopes of the reader's key. They decide what is withheld.
            after: The position of the last document of the previous page. 0 for the first page.
            limit: How many documents at most.
        """
        is_visible = true() if Scope.SEALED in scopes else IS_OPEN
        state = _state(is_visible)
        matching = and_(is_counted_in(number), *_conditions(filters, is_visible, state))
        async with self._database.reading() as connection:
            page = await _read_page(connection, number, matching, _sorting(order, is_visible), after, limit)
            states, matches, readable_bytes = await _count(connection, number, matching, state)
            types, by_instance = await _count_choices(connection, number, is_visible)
            return FoundDocuments(
                documents=tuple(page),
                numbers=await _number(connection, number, page),
                matches=matches,
                states=states,
                readable_bytes=readable_bytes,
                types=types,
                instances=by_instance,
            )

    async def find_ids(self, number: str, document_ids: Collection[str]) -> FoundDocuments:
        """Return documents of a process by their ids, with their places. What is withheld is among them.

        Args:
            number: The process.
            document_ids: Ids. Those that the process does not have are left out.
        """
        wanted = and_(is_counted_in(number), documents.c.id.in_(document_ids))
        async with self._database.reading() as connection:
            page = [to_document(row) for row in await connection.execute(SELECT_DOCUMENTS.where(wanted))]
            return FoundDocuments(documents=tuple(page), numbers=await _number(connection, number, page))


def _state(is_visible: ColumnElement[bool]) -> ColumnElement[str]:
    """Return the expression for `domain.document_search.state_of`."""
    is_available = documents.c.status == DocumentStatus.AVAILABLE
    return case(
        (and_(is_available, is_visible), literal(DocumentState.AVAILABLE.value)),
        (is_available, literal(DocumentState.RESTRICTED.value)),
        (
            and_(documents.c.status == DocumentStatus.FAILED, documents.c.failure_code == FailureCode.NO_CONTENT),
            literal(DocumentState.NO_CONTENT.value),
        ),
        else_=documents.c.status,
    )


def _conditions(
    filters: DocumentFilters, is_visible: ColumnElement[bool], state: ColumnElement[str]
) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = [_SEARCHED.contains(word, autoescape=True) for word in filters.words]
    if filters.type_name is not None:
        conditions.append(documents.c.type_name == filters.type_name)
    if filters.filed_from is not None:
        conditions.append(documents.c.filed_at >= filters.filed_from)
    if filters.filed_before is not None:
        conditions.append(documents.c.filed_at < filters.filed_before)
    if filters.describes:
        conditions.append(is_visible)
    if filters.instance is not None:
        conditions.append(instances.c.key == filters.instance)
    if filters.state is not None:
        conditions.append(state == filters.state.value)
    return conditions


def _sorting(order: DocumentOrder, is_visible: ColumnElement[bool]) -> _Sorting | None:
    if order is DocumentOrder.LISTED:
        return None
    key = _SORTED_BY[order]
    has_key = and_(is_visible, key.is_not(None))
    return _Sorting(case((has_key, 0), else_=1), case((has_key, key)), order in _DESCENDING)


async def _read_page(
    connection: AsyncConnection,
    number: str,
    matching: ColumnElement[bool],
    sorting: _Sorting | None,
    after: int,
    limit: int,
) -> list[Document]:
    position = documents.c.position
    statement = SELECT_DOCUMENTS.where(matching)
    if sorting is None:
        statement = statement.where(position > after).order_by(position)
    else:
        if after:
            statement = statement.where(await _is_later(connection, number, sorting, after))
        key = desc(sorting.key) if sorting.descending else sorting.key
        statement = statement.order_by(sorting.lacks_key, key, position)
    return [to_document(row) for row in await connection.execute(statement.limit(limit))]


async def _is_later(connection: AsyncConnection, number: str, sorting: _Sorting, after: int) -> ColumnElement[bool]:
    """Return the condition for the rows that come after the row at this position, which may not match itself.

    The cursor has the position alone, because a name must not be in a URL.
    """
    row = (
        await connection.execute(
            select(sorting.lacks_key.label("lacks_key"), sorting.key.label("key"))
            .select_from(DOCUMENTS_WITH_LEVELS)
            .where(documents.c.process_number == number, documents.c.position == after)
        )
    ).one_or_none()
    is_further = documents.c.position > after
    if row is None or row.lacks_key:
        return and_(sorting.lacks_key == 1, is_further)
    is_beyond = sorting.key < row.key if sorting.descending else sorting.key > row.key
    return or_(
        sorting.lacks_key == 1,
        and_(sorting.lacks_key == 0, or_(is_beyond, and_(sorting.key == row.key, is_further))),
    )


async def _count(
    connection: AsyncConnection, number: str, matching: ColumnElement[bool], state: ColumnElement[str]
) -> tuple[dict[DocumentState, int], int, int]:
    """Return how many documents have each state, how many match, and the size of those that are available."""
    labelled = state.label("state")
    result = await connection.execute(
        select(
            labelled,
            func.count().label("amount"),
            func.sum(case((matching, 1), else_=0)).label("matches"),
            func.sum(documents.c.size_bytes).label("bytes"),
        )
        .select_from(DOCUMENTS_WITH_LEVELS)
        .where(is_counted_in(number))
        .group_by(labelled)
    )
    rows = {DocumentState(row.state): row for row in result}
    available = rows.get(DocumentState.AVAILABLE)
    return (
        {found: row.amount for found, row in rows.items()},
        sum(int(row.matches) for row in rows.values()),
        int(available.bytes or 0) if available else 0,
    )


async def _count_choices(
    connection: AsyncConnection, number: str, is_visible: ColumnElement[bool]
) -> tuple[dict[str, int], dict[Instance, int]]:
    """Return how many documents each visible type has, by name, and each instance."""
    type_name = case((is_visible, documents.c.type_name)).label("type_name")
    result = await connection.execute(
        select(
            type_name,
            *(instances.c[name].label(f"instance_{name}") for name in _INSTANCE_COLUMNS),
            func.count().label("amount"),
        )
        .select_from(DOCUMENTS_WITH_LEVELS)
        .where(is_counted_in(number))
        .group_by(type_name, *(instances.c[name] for name in _INSTANCE_COLUMNS), instances.c.id)
        .order_by(instances.c.id)
    )
    types: dict[str, int] = {}
    by_instance: dict[Instance, int] = {}
    for row in result:
        instance = to_instance(row)
        by_instance[instance] = by_instance.get(instance, 0) + row.amount
        if row.type_name is not None:
            types[row.type_name] = types.get(row.type_name, 0) + row.amount
    return dict(sorted(types.items())), by_instance


async def _number(connection: AsyncConnection, number: str, page: list[Document]) -> dict[str, int]:
    """Return the place of each document among all documents of the process, from 1, as `autos get` counts them."""
    if not page:
        return {}
    place = func.row_number().over(order_by=documents.c.position).label("place")
    placed = select(documents.c.id, documents.c.position, place).where(is_counted_in(number)).subquery()
    result = await connection.execute(
        select(placed.c.id, placed.c.place).where(placed.c.position.in_([each.position for each in page]))
    )
    return {row.id: row.place for row in result}
