"""Tables of what each listing says of a case: movements, parties and related processes, and the log of changes."""

from __future__ import annotations

from sqlalchemy import JSON, Boolean, Column, ForeignKey, Index, Integer, String, Table, Text, text

from adapters.database.tables import RowNumber, UtcDateTime, metadata, unrecognized_secrecy


def _of_process() -> Column[str]:
    return Column("process_number", ForeignKey("processes.number", ondelete="CASCADE"), primary_key=True)


def _of_instance() -> Column[int]:
    return Column("instance_id", RowNumber, ForeignKey("instances.id"), nullable=False)


def _instance_index(table: str) -> Index:
    """Index the instances: deleting one looks for the rows that refer to it."""
    return Index(f"ix_{table}_instance_id", "instance_id")


movements = Table(
    "movements",
    metadata,
    _of_process(),
    # `domain.cases.Movement.key`: the court gives movements no id.
    Column("key", String(64), primary_key=True),
    _of_instance(),
    Column("occurred_at", UtcDateTime),
    Column("code", Integer),
    Column("text", Text),
    # The catalog's id of the document that the movement names. NULL if it names none that is known.
    Column("document_id", String(36)),
    Column("secrecy", String(16), nullable=False, server_default="unknown"),
    Column("first_listed_at", UtcDateTime, nullable=False),
    # Since when the listings no longer have it. NULL while they do, so that a listing that repeats a movement does
    # not write its row.
    Column("unlisted_at", UtcDateTime),
    # The timeline.
    Index("ix_movements_process_number_occurred_at", "process_number", "occurred_at", "key"),
    _instance_index("movements"),
    unrecognized_secrecy("movements"),
)

# Each listing replaces the rows of its process.
parties = Table(
    "parties",
    metadata,
    _of_process(),
    Column("position", Integer, primary_key=True, autoincrement=False),
    _of_instance(),
    Column("pole", String(32)),
    Column("name", Text, nullable=False),
    # Objects with `name`, `role` and `oab`. Numbers of taxpayers are never stored.
    Column("lawyers", JSON, nullable=False, server_default="[]"),
    _instance_index("parties"),
)

# Each listing replaces the rows of its process.
related_processes = Table(
    "related_processes",
    metadata,
    _of_process(),
    Column("position", Integer, primary_key=True, autoincrement=False),
    _of_instance(),
    # In canonical form if it is a valid number, otherwise as the court writes it.
    Column("related_number", String(64), nullable=False),
    Column("relation", String(64)),
    Column("class_code", Integer),
    Column("class_name", Text),
    Column("active", Boolean),
    _instance_index("related_processes"),
)

# Append-only, but for the two columns that settle whether a document is a known paper under another id.
changes = Table(
    "changes",
    metadata,
    _of_process(),
    # From 1 without gaps in each process. The row of the process is locked while a listing is recorded.
    Column("sequence", Integer, primary_key=True, autoincrement=False),
    Column("kind", String(32), nullable=False),
    Column("document_id", String(36)),
    Column("movement_key", String(64)),
    Column("details", JSON, nullable=False, server_default="{}"),
    Column("seen_at", UtcDateTime, nullable=False),
    # The document may turn out to be one that vanished from the listings: its bytes will tell.
    Column("undecided", Boolean, nullable=False, server_default=text("false")),
    # The document with the same bytes that it has replaced. Such a change is not shown.
    Column("same_as", String(36)),
    Index(
        "ix_changes_undecided",
        "process_number",
        sqlite_where=text("undecided"),
        postgresql_where=text("undecided"),
    ),
)
