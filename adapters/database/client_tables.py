"""The tables of the clients: their keys, and the batches that they have asked for."""

from __future__ import annotations

from sqlalchemy import JSON, Column, ForeignKey, Index, Integer, String, Table, Text, text

from adapters.database.tables import UtcDateTime, metadata

clients = Table(
    "clients",
    metadata,
    Column("name", String(64), primary_key=True),
    # Sealed: it has to be opened to sign with.
    Column("webhook_secret", Text, nullable=False),
    # Signs beside the present one until it ends, so that a receiver can change over.
    Column("former_webhook_secret", Text),
    Column("former_webhook_secret_ends_at", UtcDateTime),
    Column("created_at", UtcDateTime, nullable=False),
)

api_keys = Table(
    "api_keys",
    metadata,
    # The part of the key that is not secret, by which it is found.
    Column("id", String(16), primary_key=True),
    Column("client", ForeignKey("clients.name"), nullable=False),
    # SHA-256 of the whole key, which is random enough to need no salt.
    Column("digest", String(64), nullable=False),
    Column("scopes", JSON, nullable=False),
    Column("requests_per_minute", Integer),
    Column("created_at", UtcDateTime, nullable=False),
    Column("revoked_at", UtcDateTime),
    Index("ix_api_keys_client", "client"),
)

batches = Table(
    "batches",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("client", String(64), nullable=False),
    Column("webhook_url", Text),
    Column("max_age_seconds", Integer),
    Column("priority", Integer, nullable=False),
    # How many of the numbers in the request stood there before.
    Column("duplicates", Integer, nullable=False, server_default="0"),
    Column("created_at", UtcDateTime, nullable=False),
    Column("ended_at", UtcDateTime),
    Index(
        "ix_batches_open",
        "id",
        sqlite_where=text("ended_at IS NULL"),
        postgresql_where=text("ended_at IS NULL"),
    ),
)

batch_items = Table(
    "batch_items",
    metadata,
    Column("batch_id", ForeignKey("batches.id", ondelete="CASCADE"), primary_key=True),
    # The place in the request, from 1; a number that stood there twice has the place of the first.
    Column("position", Integer, primary_key=True),
    # As it was sent, cut short.
    Column("given", String(64), nullable=False),
    # None if it is not a process number; then the problem says why.
    Column("process_number", String(25)),
    Column("problem_code", String(32)),
    Column("problem_detail", Text),
    # What the batch did about it, and in which run; none until its turn comes.
    Column("decision", String(16)),
    Column("run_id", String(36)),
    Column("decided_at", UtcDateTime),
    Index("ix_batch_items_process_number", "process_number"),
)
