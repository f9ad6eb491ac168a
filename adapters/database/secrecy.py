"""Columns that a query must select so that the secrecy rules can be applied to its rows."""

from __future__ import annotations

from functools import cache
from typing import Any

from sqlalchemy import Row, and_, func

from adapters.database.tables import documents, instances, processes
from domain.secrecy import OPEN_LEVELS, Secrecy, strictest

# For a query over documents joined with their instances and processes. Select `documents.secrecy` as well.
LEVELS = (
    instances.c.secrecy.label("instance_secrecy"),
    processes.c.secrecy.label("process_secrecy"),
)
# Since when the court no longer shows the document, or its whole process. NULL while it shows both.
UNLISTED_AT = func.coalesce(documents.c.unlisted_at, processes.c.unlisted_at).label("effective_unlisted_at")

# Whether a key without the scope `sealed` may read a document: `domain.secrecy.is_withheld` for a query over
# documents joined with their instances and processes. A test compares both.
IS_OPEN = and_(
    *(table.c.secrecy.in_(OPEN_LEVELS) for table in (documents, instances, processes)),
    documents.c.unlisted_at.is_(None),
    processes.c.unlisted_at.is_(None),
)


def strictest_level(row: Row[*tuple[Any, ...]]) -> Secrecy:
    """Return the strictest level of a document, its instance and its process.

    Args:
        row: A row with ``secrecy`` and the columns of ``LEVELS``.
    """
    return _strictest(row.secrecy, row.instance_secrecy, row.process_secrecy)


# The levels are a closed list, and an answer asks for each of its documents.
@cache
def _strictest(*levels: str) -> Secrecy:
    return strictest(map(Secrecy, levels))
