"""Delivery log: listing, redelivery and overdue deliveries, deliveries without a run, failing endpoints."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Extend the deliveries, and create the failing endpoints."""
    with op.batch_alter_table("webhook_deliveries") as deliveries:
        deliveries.alter_column("subscription_id", existing_type=_NUMBER, nullable=True)
        deliveries.alter_column("run_id", existing_type=sa.String(length=36), nullable=True)
        deliveries.alter_column("process_number", existing_type=sa.String(length=25), nullable=True)
        deliveries.add_column(sa.Column("status", sa.String(length=16), server_default="pending", nullable=False))
        deliveries.add_column(sa.Column("next_attempt_at", sa.DateTime(timezone=True), nullable=True))
    op.execute("UPDATE webhook_deliveries SET status = 'delivered' WHERE delivered_at IS NOT NULL")
    op.execute(
        "UPDATE webhook_deliveries SET status = 'failed' WHERE given_up_at IS NOT NULL AND delivered_at IS NULL"
    )
    # The time of the next attempt was stored with the last attempt.
    op.execute(
        "UPDATE webhook_deliveries SET next_attempt_at = coalesce((SELECT max(webhook_attempts.next_attempt_at)"
        " FROM webhook_attempts WHERE delivery_number = number), created_at) WHERE status = 'pending'"
    )
    with op.batch_alter_table("webhook_attempts") as attempts:
        attempts.drop_column("next_attempt_at")
    op.create_index(
        "ix_webhook_deliveries_client", "webhook_deliveries", ["client", "created_at", "number"], unique=False
    )
    op.create_index(
        "ix_webhook_deliveries_client_status",
        "webhook_deliveries",
        ["client", "status", "created_at", "number"],
        unique=False,
    )
    op.create_index(
        "ix_webhook_deliveries_process_number",
        "webhook_deliveries",
        ["process_number", "client", "created_at", "number"],
        unique=False,
    )
    op.create_index(
        "ix_webhook_deliveries_pending",
        "webhook_deliveries",
        ["next_attempt_at", "number"],
        unique=False,
        sqlite_where=sa.text("next_attempt_at IS NOT NULL"),
        postgresql_where=sa.text("next_attempt_at IS NOT NULL"),
    )
    op.create_table(
        "webhook_failing_endpoints",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("client", sa.String(length=64), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("failing_since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_failed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("switched_off_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_failing_endpoints")),
    )
    op.create_index(
        "ix_webhook_failing_endpoints_client",
        "webhook_failing_endpoints",
        ["client", "failing_since", "id"],
        unique=False,
    )


def downgrade() -> None:
    """Revert. Deliveries without a run cannot be stored in the former schema and are lost."""
    op.drop_table("webhook_failing_endpoints")
    for index in (
        "ix_webhook_deliveries_pending",
        "ix_webhook_deliveries_process_number",
        "ix_webhook_deliveries_client_status",
        "ix_webhook_deliveries_client",
    ):
        op.drop_index(index, table_name="webhook_deliveries")
    with op.batch_alter_table("webhook_attempts") as attempts:
        attempts.add_column(sa.Column("next_attempt_at", sa.DateTime(timezone=True), nullable=True))
    op.execute(
        "DELETE FROM webhook_attempts WHERE delivery_number IN"
        " (SELECT number FROM webhook_deliveries WHERE run_id IS NULL)"
    )
    op.execute("DELETE FROM webhook_deliveries WHERE run_id IS NULL")
    with op.batch_alter_table("webhook_deliveries") as deliveries:
        deliveries.drop_column("next_attempt_at")
        deliveries.drop_column("status")
        deliveries.alter_column("process_number", existing_type=sa.String(length=25), nullable=False)
        deliveries.alter_column("run_id", existing_type=sa.String(length=36), nullable=False)
        deliveries.alter_column("subscription_id", existing_type=_NUMBER, nullable=False)
