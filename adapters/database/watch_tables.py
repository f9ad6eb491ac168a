"""Tables of watches and of events."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
    text,
)

from adapters.database.tables import UtcDateTime, metadata

watches = Table(
    "watches",
    metadata,
    Column("process_number", ForeignKey("processes.number", ondelete="CASCADE"), primary_key=True),
    Column("client", String(64), primary_key=True),
    Column("every_seconds", Integer, nullable=False),
    Column("webhook_url", Text),
    Column("notify", String(16), nullable=False),
    Column("download", Boolean, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    # When the court last listed the process, or said that it does not show it.
    Column("last_checked_at", UtcDateTime),
    Column("next_look_at", UtcDateTime, nullable=False),
    # From when on the watch is late.
    Column("late_at", UtcDateTime, nullable=False),
    # Since when a look is under way that a sweep has started. The end of any run of the process sets it to NULL.
    Column("looking_since", UtcDateTime),
    # No sweep starts a look before then, although it is due: one is under way, or has just failed.
    Column("not_before", UtcDateTime),
    # Why the last look failed.
    Column("failure_code", String(32)),
    # Changes up to this sequence were told, or are older than the watch.
    Column("announced_sequence", Integer, nullable=False),
    Index("ix_watches_next_look_at", "next_look_at", "process_number", "client"),
    Index("ix_watches_late_at", "late_at"),
    Index("ix_watches_created_at", "created_at", "process_number", "client"),
    Index("ix_watches_client", "client", "created_at", "process_number"),
    Index(
        "ix_watches_looking_since",
        "looking_since",
        sqlite_where=text("looking_since IS NOT NULL"),
        postgresql_where=text("looking_since IS NOT NULL"),
    ),
)

# Clients that are told of a run's end without a webhook, and did not start it.
run_followers = Table(
    "run_followers",
    metadata,
    Column("run_id", ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
    Column("client", String(64), primary_key=True),
    Column("process_number", String(25), nullable=False),
    Index("ix_run_followers_process_number", "process_number"),
)

# What each client was told, by webhook or not, numbered in the order of commits.
events = Table(
    "events",
    metadata,
    Column("client", String(64), primary_key=True),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    # That of the delivery, if there is one.
    Column("id", String(64), nullable=False, unique=True),
    Column("event_type", String(32), nullable=False),
    Column("process_number", String(25)),
    Column("run_id", String(36)),
    Column("run_end", Integer),
    # Sequences, times, codes and ids of bundles. No names, links or ids of documents.
    Column("details", JSON, nullable=False, server_default="{}"),
    Column("created_at", UtcDateTime, nullable=False),
    Index("ix_events_created_at", "created_at", "client", "number"),
    Index("ix_events_process_number", "process_number"),
    Index("ix_events_run_id", "run_id"),
)

# The number of each client's last event. Its row is locked until the event is committed: a sequence of the database
# would let a reader of the events go past a number that is committed late.
event_counters = Table(
    "event_counters",
    metadata,
    Column("client", String(64), primary_key=True),
    Column("last_number", BigInteger, nullable=False),
    # The last number that was pruned. Whoever has not read up to it has missed something.
    Column("pruned_number", BigInteger, nullable=False, server_default="0"),
)
