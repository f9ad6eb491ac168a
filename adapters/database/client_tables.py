"""Tables of clients: their API keys, and the batches they requested."""

from __future__ import annotations

from sqlalchemy import JSON, Column, ForeignKey, Index, Integer, String, Table, Text, text

from adapters.database.tables import UtcDateTime, metadata

clients = Table(
    "clients",
    metadata,
    Column("name", String(64), primary_key=True),
    # Encrypted, not hashed: signing needs the plain secret.
    Column("webhook_secret", Text, nullable=False),
    # Also signs until it expires, so that a receiver has time to change over.
    Column("former_webhook_secret", Text),
    Column("former_webhook_secret_ends_at", UtcDateTime),
    Column("created_at", UtcDateTime, nullable=False),
)

api_keys = Table(
    "api_keys",
    metadata,
    # The part of the key that is not secret. Keys are looked up by it.
    Column("id", String(16), primary_key=True),
    Column("client", ForeignKey("clients.name"), nullable=False),
    # SHA-256 of the whole key. The key is random enough to need no salt.
    Column("digest", String(64), nullable=False),
    Column("scopes", JSON, nullable=False),
    Column("requests_per_minute", Integer),
    Column("created_at", UtcDateTime, nullable=False),
    Column("revoked_at", UtcDateTime),
    Column("expires_at", UtcDateTime),
    # Written at most once a minute, after the request.
    Column("last_used_at", UtcDateTime),
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
    # How many numbers of the request were repetitions.
    Column("duplicates", Integer, nullable=False, server_default="0"),
    Column("created_at", UtcDateTime, nullable=False),
    Column("ended_at", UtcDateTime),
    Index("ix_batches_created_at_id", "created_at", "id"),
    Index("ix_batches_client_created_at_id", "client", "created_at", "id"),
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
    # Position in the request, from 1. A repeated number keeps its first position.
    Column("position", Integer, primary_key=True),
    # The text as it was sent, truncated.
    Column("given", String(64), nullable=False),
    # NULL if the text is not a process number. The problem columns then say why.
    Column("process_number", String(25)),
    Column("problem_code", String(32)),
    Column("problem_detail", Text),
    # What the batch decided, and the run it started or joined. NULL until the item is handled.
    Column("decision", String(16)),
    Column("run_id", String(36)),
    Column("decided_at", UtcDateTime),
    Index("ix_batch_items_process_number", "process_number"),
)
