"""Bind subscriptions to the run that they wait for. A run that is reset in Temporal may end more than once."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_PENDING = "run_id IS NULL"
_DUPLICATES = (
    "SELECT one.id FROM webhook_subscriptions AS one JOIN webhook_subscriptions AS other"
    " ON one.run_id = other.run_id AND one.client = other.client AND one.url = other.url AND one.id > other.id"
)


def upgrade() -> None:
    """Bind pending subscriptions to the open run. Delete those without one: they would never be notified."""
    op.drop_index("uq_webhook_subscriptions_waiting", table_name="webhook_subscriptions")
    op.execute(
        "UPDATE webhook_subscriptions SET run_id = (SELECT runs.id FROM runs"
        " WHERE runs.process_number = webhook_subscriptions.process_number AND runs.outcome IS NULL"
        " ORDER BY runs.started_at DESC LIMIT 1) WHERE run_id IS NULL"
    )
    op.execute("DELETE FROM webhook_subscriptions WHERE run_id IS NULL")
    op.execute(f"UPDATE webhook_deliveries SET subscription_id = NULL WHERE subscription_id IN ({_DUPLICATES})")  # noqa: S608 - no input.
    # SQLite and Postgres evaluate the subquery completely before they delete the first row.
    op.execute(f"DELETE FROM webhook_subscriptions WHERE id IN ({_DUPLICATES})")  # noqa: S608 - no input.
    with op.batch_alter_table("webhook_subscriptions") as subscriptions:
        subscriptions.alter_column("run_id", existing_type=sa.String(length=36), nullable=False)
    op.create_index(
        "uq_webhook_subscriptions_run_id", "webhook_subscriptions", ["run_id", "client", "url"], unique=True
    )
    op.add_column("runs", sa.Column("ended_by", sa.String(length=36), nullable=True))
    op.add_column("runs", sa.Column("end_count", sa.Integer(), server_default="0", nullable=False))
    op.execute("UPDATE runs SET end_count = 1 WHERE outcome IS NOT NULL")
    op.create_index(
        "ix_runs_unended",
        "runs",
        ["started_at", "id"],
        unique=False,
        sqlite_where=sa.text("outcome IS NULL"),
        postgresql_where=sa.text("outcome IS NULL"),
    )
    with op.batch_alter_table("webhook_deliveries") as deliveries:
        deliveries.drop_constraint("uq_webhook_deliveries_subscription_id", type_="unique")
        deliveries.add_column(sa.Column("run_end", sa.Integer(), nullable=True))
    op.execute("UPDATE webhook_deliveries SET run_end = 1 WHERE run_id IS NOT NULL")
    op.create_index(
        "uq_webhook_deliveries_subscription_id_run_end",
        "webhook_deliveries",
        ["subscription_id", "run_end"],
        unique=True,
    )


def downgrade() -> None:
    """Revert. If a run ended more than once, the events of the first end are kept."""
    op.drop_index("uq_webhook_deliveries_subscription_id_run_end", table_name="webhook_deliveries")
    op.execute("UPDATE webhook_deliveries SET subscription_id = NULL WHERE run_end > 1")
    with op.batch_alter_table("webhook_deliveries") as deliveries:
        deliveries.drop_column("run_end")
        deliveries.create_unique_constraint("uq_webhook_deliveries_subscription_id", ["subscription_id"])
    op.drop_index("ix_runs_unended", table_name="runs")
    op.drop_column("runs", "end_count")
    op.drop_column("runs", "ended_by")
    op.drop_index("uq_webhook_subscriptions_run_id", table_name="webhook_subscriptions")
    with op.batch_alter_table("webhook_subscriptions") as subscriptions:
        subscriptions.alter_column("run_id", existing_type=sa.String(length=36), nullable=True)
    # In the former schema, pending subscriptions have no run.
    op.execute(
        "UPDATE webhook_subscriptions SET run_id = NULL WHERE NOT EXISTS"
        " (SELECT 1 FROM webhook_deliveries WHERE subscription_id = webhook_subscriptions.id)"
    )
    op.execute(
        "DELETE FROM webhook_subscriptions WHERE run_id IS NULL AND id NOT IN (SELECT min(id)"
        " FROM webhook_subscriptions WHERE run_id IS NULL GROUP BY process_number, client, url)"
    )
    op.create_index(
        "uq_webhook_subscriptions_waiting",
        "webhook_subscriptions",
        ["process_number", "client", "url"],
        unique=True,
        sqlite_where=sa.text(_PENDING),
        postgresql_where=sa.text(_PENDING),
    )
