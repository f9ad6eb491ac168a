"""Tables of erasures and legal holds, and the list of every table that an erasure empties.

A table with rows of a process needs one line in ``ERASED_ROWS``. A test names the tables that are neither there nor
in ``KEPT_TABLES``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from sqlalchemy import BigInteger, Column, ColumnElement, Index, Integer, String, Table, Text, select, text

from adapters.database.access_tables import accesses
from adapters.database.bundle_tables import bundle_documents, bundle_subscriptions, bundles
from adapters.database.case_tables import changes, movements, parties, related_processes
from adapters.database.tables import (
    RowNumber,
    UtcDateTime,
    document_versions,
    documents,
    instances,
    metadata,
    processes,
    runs,
)
from adapters.database.watch_tables import events, run_followers, watches
from adapters.database.webhook_tables import alerts, attempts, deliveries, subscriptions

# Receipts of erasures. They are also the tombstones of the processes.
erasures = Table(
    "erasures",
    metadata,
    Column("id", RowNumber, primary_key=True, autoincrement=True),
    Column("process_number", String(25), nullable=False),
    # The process number while the process must not come back, otherwise NULL. Every write looks here.
    Column("blocked_number", String(25), unique=True),
    Column("kind", String(16), nullable=False),
    Column("reason", Text),
    Column("requested_at", UtcDateTime, nullable=False),
    Column("requested_by", String(64), nullable=False),
    Column("key_id", String(16)),
    Column("completed_at", UtcDateTime),
    Column("allowed_again_at", UtcDateTime),
    Column("allowed_again_by", String(64)),
    Column("allowed_again_key_id", String(16)),
    Column("documents", Integer, nullable=False, server_default="0"),
    Column("versions", Integer, nullable=False, server_default="0"),
    # NULL until they were counted, which happens once, before the first of them is deleted.
    Column("objects", Integer),
    Column("bytes", BigInteger),
    Column("runs", Integer, nullable=False, server_default="0"),
    Column("deliveries", Integer, nullable=False, server_default="0"),
    Column("accesses", Integer, nullable=False, server_default="0"),
    Column("workflows", Integer, nullable=False, server_default="0"),
    Index("ix_erasures_process_number_id", "process_number", "id"),
    Index(
        "ix_erasures_running",
        "id",
        sqlite_where=text("completed_at IS NULL"),
        postgresql_where=text("completed_at IS NULL"),
    ),
)

legal_holds = Table(
    "legal_holds",
    metadata,
    Column("process_number", String(25), primary_key=True),
    Column("reason", Text),
    Column("placed_at", UtcDateTime, nullable=False),
    Column("placed_by", String(64), nullable=False),
    Column("key_id", String(16)),
)


@dataclass(frozen=True, slots=True)
class ErasedRows:
    """Rows that an erasure deletes.

    Attributes:
        table: The table.
        condition: Returns the condition for the rows of a process, given its number.
        counted_as: The column of ``erasures`` that counts them. None if the receipt does not.
    """

    table: Table
    condition: Callable[[str], ColumnElement[bool]]
    counted_as: str | None = None

    @classmethod
    def by_number(cls, table: Table, counted_as: str | None = None) -> Self:
        """Return the rows of a table with the column ``process_number``."""
        return cls(table, lambda number: table.c.process_number == number, counted_as)


def _is_alert_of(number: str) -> ColumnElement[bool]:
    return (alerts.c.kind == "failures_high") & (alerts.c.subject == number)


def announces(number: str) -> ColumnElement[bool]:
    """Return the condition for the deliveries of alerts about a process."""
    raised, cleared = (
        select(event).where(_is_alert_of(number)) for event in (alerts.c.raised_event, alerts.c.cleared_event)
    )
    return deliveries.c.id.in_(raised.union(cleared))


def reports(number: str) -> ColumnElement[bool]:
    """Return the condition for the deliveries of events of a process's runs."""
    return deliveries.c.process_number == number


def _attempts(condition: Callable[[str], ColumnElement[bool]]) -> Callable[[str], ColumnElement[bool]]:
    return lambda number: attempts.c.delivery_number.in_(select(deliveries.c.number).where(condition(number)))


def _of_bundles(table: Table) -> Callable[[str], ColumnElement[bool]]:
    own = table.c.bundle_id
    return lambda number: own.in_(select(bundles.c.id).where(bundles.c.process_number == number))


# In the order of deletion: rows before those that they refer to.
ERASED_ROWS = (
    ErasedRows(attempts, _attempts(reports)),
    ErasedRows(attempts, _attempts(announces)),
    ErasedRows(deliveries, reports, "deliveries"),
    ErasedRows(deliveries, announces, "deliveries"),
    ErasedRows(alerts, _is_alert_of),
    ErasedRows.by_number(accesses, "accesses"),
    ErasedRows(bundle_documents, _of_bundles(bundle_documents)),
    ErasedRows(bundle_subscriptions, _of_bundles(bundle_subscriptions)),
    *(ErasedRows.by_number(table) for table in (bundles, events, watches, run_followers, subscriptions)),
    *(ErasedRows.by_number(table) for table in (changes, movements, parties, related_processes)),
    ErasedRows.by_number(document_versions, "versions"),
    ErasedRows.by_number(documents, "documents"),
    ErasedRows.by_number(instances),
    ErasedRows.by_number(runs, "runs"),
    ErasedRows(processes, lambda number: processes.c.number == number),
)

# Tables whose rows of a process an erasure does not delete, with the reason.
KEPT_TABLES = {
    "erasures": "the receipts themselves",
    "legal_holds": "a process under hold is not erased",
    "batch_items": "an item keeps its position, and loses its number and its run",
    "court": "its only row loses the number",
}
