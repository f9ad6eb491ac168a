"""Tables of webhooks: subscriptions, deliveries (the outbox), attempts, failing endpoints and alerts."""

from __future__ import annotations

from sqlalchemy import JSON, Column, ForeignKey, Index, Integer, String, Table, Text, text

from adapters.database.tables import RowNumber, UtcDateTime, metadata, runs

subscriptions = Table(
    "webhook_subscriptions",
    metadata,
    Column("id", RowNumber, primary_key=True, autoincrement=True),
    Column("process_number", String(25), nullable=False),
    Column("client", String(64), nullable=False),
    Column("url", Text, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    # The run whose end it is notified of. A subscription exists only once its run is recorded.
    Column("run_id", ForeignKey("runs.id"), nullable=False),
    # A client that asks for the same run again is not notified twice.
    Index("uq_webhook_subscriptions_run_id", "run_id", "client", "url", unique=True),
    # Those that an erasure deletes.
    Index("ix_webhook_subscriptions_process_number", "process_number"),
)

deliveries = Table(
    "webhook_deliveries",
    metadata,
    Column("number", RowNumber, primary_key=True, autoincrement=True),
    Column("id", String(64), nullable=False, unique=True),
    # A test delivery has no subscription, run or process.
    Column("subscription_id", ForeignKey("webhook_subscriptions.id")),
    Column("run_id", ForeignKey("runs.id")),
    # Which end of the run it reports, from 1: a run that is reset in Temporal ends again.
    Column("run_end", Integer),
    Column("process_number", String(25)),
    Column("client", String(64), nullable=False),
    Column("url", Text, nullable=False),
    Column("event_type", String(32), nullable=False),
    Column("status", String(16), nullable=False, server_default="pending"),
    Column("created_at", UtcDateTime, nullable=False),
    Column("delivered_at", UtcDateTime),
    Column("given_up_at", UtcDateTime),
    # Set while it is pending. If this is long past, the workflow that should attempt it is gone.
    Column("next_attempt_at", UtcDateTime),
    Index("uq_webhook_deliveries_subscription_id_run_end", "subscription_id", "run_end", unique=True),
    Index("ix_webhook_deliveries_run_id_number", "run_id", "number"),
    # The delivery log of a client, newest first.
    Index("ix_webhook_deliveries_client", "client", "created_at", "number"),
    Index("ix_webhook_deliveries_client_status", "client", "status", "created_at", "number"),
    Index("ix_webhook_deliveries_process_number", "process_number", "client", "created_at", "number"),
    Index(
        "ix_webhook_deliveries_pending",
        "next_attempt_at",
        "number",
        sqlite_where=text("next_attempt_at IS NOT NULL"),
        postgresql_where=text("next_attempt_at IS NOT NULL"),
    ),
)

attempts = Table(
    "webhook_attempts",
    metadata,
    Column("delivery_number", ForeignKey("webhook_deliveries.number"), primary_key=True),
    Column("attempt", Integer, primary_key=True),
    Column("sent_at", UtcDateTime, nullable=False),
    Column("status_code", Integer),
    Column("latency_ms", Integer),
    Column("excerpt", Text),
    Column("error", Text),
)

# Endpoints that currently accept nothing. The first success deletes the row.
failing_endpoints = Table(
    "webhook_failing_endpoints",
    metadata,
    # Derived from the client and the URL.
    Column("id", String(40), primary_key=True),
    Column("client", String(64), nullable=False),
    Column("url", Text, nullable=False),
    Column("failing_since", UtcDateTime, nullable=False),
    Column("last_failed_at", UtcDateTime, nullable=False),
    Column("switched_off_at", UtcDateTime),
    Index("ix_webhook_failing_endpoints_client", "client", "failing_since", "id"),
    Index(
        "ix_webhook_failing_endpoints_off",
        "switched_off_at",
        sqlite_where=text("switched_off_at IS NOT NULL"),
        postgresql_where=text("switched_off_at IS NOT NULL"),
    ),
)

# Alerts raised for the operator.
alerts = Table(
    "alerts",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("kind", String(32), nullable=False),
    Column("subject", String(64), nullable=False),
    Column("since", UtcDateTime, nullable=False),
    Column("details", JSON, nullable=False),
    Column("raised_at", UtcDateTime, nullable=False),
    Column("cleared_at", UtcDateTime),
    # Ids of the deliveries that announce it. NULL if the operator has no webhook URL.
    Column("raised_event", String(64), unique=True),
    Column("cleared_event", String(64), unique=True),
    # Of cleared ones, to prune them.
    Index(
        "ix_alerts_cleared_at",
        "cleared_at",
        sqlite_where=text("cleared_at IS NOT NULL"),
        postgresql_where=text("cleared_at IS NOT NULL"),
    ),
    # An alert is raised once, and not again before it is cleared.
    Index(
        "uq_alerts_open",
        "kind",
        "subject",
        unique=True,
        sqlite_where=text("cleared_at IS NULL"),
        postgresql_where=text("cleared_at IS NULL"),
    ),
)

# Runs that may need an alert, latest first.
Index(
    "ix_runs_mostly_failed",
    runs.c.ended_at,
    sqlite_where=text("failed_documents > available_documents"),
    postgresql_where=text("failed_documents > available_documents"),
)
