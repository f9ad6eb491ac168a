"""Search texts of documents that were listed by a version that did not write them."""

from __future__ import annotations

from sqlalchemy import bindparam, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.database.engine import Database
from adapters.database.tables import documents
from domain.document_search import search_text

_ROWS_AT_ONCE = 1000
_KEY = tuple_(documents.c.process_number, documents.c.id)
_UPDATE = (
    update(documents)
    .where(documents.c.process_number == bindparam("of_process"), documents.c.id == bindparam("of_id"))
    .values(search_text=bindparam("text"))
)


async def fill_search_texts(database: Database) -> int:
    """Write the search texts that are missing, in short transactions, so that services go on meanwhile.

    A row that a listing is writing at that moment is left out.

    Returns:
        How many were written.

    Raises:
        DependencyUnavailable: The database does not answer.
    """
    after, written = ("", ""), 0
    while True:
        async with database.writing() as connection:
            keys = await _fill_some(connection, after)
        written += len(keys)
        if len(keys) < _ROWS_AT_ONCE:
            return written
        after = keys[-1]


async def _fill_some(connection: AsyncConnection, after: tuple[str, str]) -> list[tuple[str, str]]:
    """Write the first missing texts after a key. Returns the keys of these documents, in order."""
    result = await connection.execute(
        select(documents.c.process_number, documents.c.id, documents.c.name, documents.c.type_name)
        .where(documents.c.search_text.is_(None), after < _KEY)
        .order_by(documents.c.process_number, documents.c.id)
        .limit(_ROWS_AT_ONCE)
        .with_for_update(skip_locked=True)
    )
    rows = result.all()
    if rows:
        await connection.execute(
            _UPDATE,
            [
                {"of_process": row.process_number, "of_id": row.id, "text": search_text(row.name, row.type_name)}
                for row in rows
            ],
        )
    return [(row.process_number, row.id) for row in rows]
