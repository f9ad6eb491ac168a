"""The table of audits of the whole bucket."""

from __future__ import annotations

from sqlalchemy import JSON, BigInteger, Column, Index, String, Table

from adapters.database.tables import UtcDateTime, metadata

audits = Table(
    "audits",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("started_at", UtcDateTime, nullable=False),
    Column("ended_at", UtcDateTime, nullable=False),
    Column("contents", BigInteger, nullable=False),
    Column("objects", BigInteger, nullable=False),
    Column("objects_read", BigInteger, nullable=False),
    Column("bytes_read", BigInteger, nullable=False),
    # Amounts by kind of finding.
    Column("found", JSON, nullable=False),
    Column("remaining", JSON, nullable=False),
    Index("ix_audits_ended_at", "ended_at"),
)
