"""Alerts to the operator, and the indexes of the queries that find their causes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table and indexes."""
    op.create_table(
        "alerts",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("subject", sa.String(length=64), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.Column("raised_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("cleared_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("raised_event", sa.String(length=64), nullable=True),
        sa.Column("cleared_event", sa.String(length=64), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alerts")),
        sa.UniqueConstraint("raised_event", name=op.f("uq_alerts_raised_event")),
        sa.UniqueConstraint("cleared_event", name=op.f("uq_alerts_cleared_event")),
    )
    op.create_index(
        "uq_alerts_open",
        "alerts",
        ["kind", "subject"],
        unique=True,
        sqlite_where=sa.text("cleared_at IS NULL"),
        postgresql_where=sa.text("cleared_at IS NULL"),
    )
    op.create_index(
        "ix_webhook_failing_endpoints_off",
        "webhook_failing_endpoints",
        ["switched_off_at"],
        unique=False,
        sqlite_where=sa.text("switched_off_at IS NOT NULL"),
        postgresql_where=sa.text("switched_off_at IS NOT NULL"),
    )
    op.create_index(
        "ix_runs_mostly_failed",
        "runs",
        ["ended_at"],
        unique=False,
        sqlite_where=sa.text("failed_documents > available_documents"),
        postgresql_where=sa.text("failed_documents > available_documents"),
    )


def downgrade() -> None:
    """Drop them. Alert events cannot be read by the former version and are deleted."""
    op.drop_index("ix_runs_mostly_failed", table_name="runs")
    op.drop_index("ix_webhook_failing_endpoints_off", table_name="webhook_failing_endpoints")
    op.drop_table("alerts")
    op.execute(
        "DELETE FROM webhook_attempts WHERE delivery_number IN"
        " (SELECT number FROM webhook_deliveries WHERE event_type LIKE 'alert.%')"
    )
    op.execute("DELETE FROM webhook_deliveries WHERE event_type LIKE 'alert.%'")
