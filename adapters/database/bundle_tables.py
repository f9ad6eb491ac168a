"""Tables of bundles: what was asked for, which documents belong to it, and who is told of its end."""

from __future__ import annotations

from sqlalchemy import JSON, BigInteger, Column, ForeignKey, Index, Integer, String, Table, Text, text

from adapters.database.tables import RowNumber, UtcDateTime, metadata

bundles = Table(
    "bundles",
    metadata,
    # SHA-256 of what is inside: `domain.bundles.identify`.
    Column("id", String(64), primary_key=True),
    Column("process_number", String(25), nullable=False),
    Column("state", String(16), nullable=False),
    Column("format", String(8), nullable=False),
    Column("options", JSON, nullable=False),
    # How many documents were withheld from whoever asked for it.
    Column("withheld", Integer, nullable=False, server_default="0"),
    Column("total_documents", Integer, nullable=False),
    Column("total_bytes", BigInteger, nullable=False),
    Column("done_documents", Integer, nullable=False, server_default="0"),
    Column("done_pages", Integer, nullable=False, server_default="0"),
    Column("done_bytes", BigInteger, nullable=False, server_default="0"),
    Column("client", String(64), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    # Retention counts from here. Renewed once a day at most.
    Column("requested_at", UtcDateTime, nullable=False),
    Column("ended_at", UtcDateTime),
    Column("failure_code", String(32)),
    Column("failure_answer", Text),
    Column("object_key", Text),
    Column("size_bytes", BigInteger),
    Column("sha256", String(64)),
    Column("pages", Integer),
    # What the file says is missing, found when the bytes were read. NULL until then.
    Column("omitted", JSON(none_as_null=True)),
    Index("ix_bundles_process_number", "process_number", "created_at"),
    Index("ix_bundles_requested_at", "requested_at", "id"),
)

# The documents in their order. Those that are withheld have no id, and nothing that describes them.
bundle_documents = Table(
    "bundle_documents",
    metadata,
    Column("bundle_id", ForeignKey("bundles.id", ondelete="CASCADE"), primary_key=True),
    Column("place", Integer, primary_key=True, autoincrement=False),
    Column("document_id", String(36)),
    Column("position", Integer, nullable=False),
    Column("version", Integer, nullable=False),
    Column("sha256", String(64)),
    Column("omitted", String(16)),
)

# Who is told of the end of a build, and by which event. Without an address it is in the client's list of events
# alone, unless a webhook tells the client.
bundle_subscriptions = Table(
    "bundle_subscriptions",
    metadata,
    Column("id", RowNumber, primary_key=True, autoincrement=True),
    Column("bundle_id", ForeignKey("bundles.id", ondelete="CASCADE"), nullable=False),
    Column("client", String(64), nullable=False),
    Column("url", Text),
    Column("event_id", String(64), unique=True),
    Index("uq_bundle_subscriptions_bundle_id", "bundle_id", "client", "url", unique=True),
    Index(
        "uq_bundle_subscriptions_client",
        "bundle_id",
        "client",
        unique=True,
        sqlite_where=text("url IS NULL"),
        postgresql_where=text("url IS NULL"),
    ),
)
