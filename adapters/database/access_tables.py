"""Table of the access trail."""

from __future__ import annotations

from sqlalchemy import Column, Index, String, Table, Text

from adapters.database.tables import RowNumber, UtcDateTime, metadata

# One row for each answer, archive and event that handed documents to a client. Rows are inserted, and deleted by
# retention and erasure; never updated. No foreign keys: the trail outlives the rows that it is about.
accesses = Table(
    "accesses",
    metadata,
    Column("number", RowNumber, primary_key=True, autoincrement=True),
    Column("at", UtcDateTime, nullable=False),
    Column("process_number", String(25), nullable=False),
    Column("client", String(64), nullable=False),
    Column("key_id", String(16)),
    Column("how", String(16), nullable=False),
    # A JSON list: one insert for each answer, however many documents it has.
    Column("document_ids", Text, nullable=False),
    Column("request_id", String(128)),
    Column("event_id", String(64)),
    Column("purpose", String(200)),
    Index("ix_accesses_at_number", "at", "number"),
    Index("ix_accesses_process_number_at_number", "process_number", "at", "number"),
    Index("ix_accesses_client_at_number", "client", "at", "number"),
    # A kind may be rare among links.
    Index("ix_accesses_how_at_number", "how", "at", "number"),
)
