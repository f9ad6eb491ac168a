"""What a query has to read so that the rule of secrecy can be applied to its rows."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row, func

from adapters.database.tables import documents, instances, processes
from domain.secrecy import Secrecy, strictest

# For a query over documents with their instances and processes, beside the documents' own.
LEVELS = (
    instances.c.secrecy.label("instance_secrecy"),
    processes.c.secrecy.label("process_secrecy"),
)
# Since when the court does not show the document, or its whole process.
UNLISTED_AT = func.coalesce(documents.c.unlisted_at, processes.c.unlisted_at).label("shown_until")


def level_of(row: Row[*tuple[Any, ...]]) -> Secrecy:
    """Return the strictest level that is stated of a document, whose row has its own and ``LEVELS``."""
    return strictest(map(Secrecy, {row.secrecy, row.instance_secrecy, row.process_secrecy}))
