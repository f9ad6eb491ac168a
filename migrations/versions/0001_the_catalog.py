"""The tables of the catalog."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create every table."""
    op.create_table(
        "processes",
        sa.Column("number", sa.String(length=25), nullable=False),
        sa.Column("court", sa.String(length=16), nullable=False),
        sa.Column("secrecy", sa.String(length=16), server_default="unknown", nullable=False),
        sa.Column("class_code", sa.Integer(), nullable=True),
        sa.Column("class_name", sa.Text(), nullable=True),
        sa.Column("subjects", sa.JSON(), server_default="[]", nullable=False),
        sa.Column("filed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("value", sa.Numeric(precision=18, scale=2), nullable=True),
        sa.Column("listed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("listed_documents", sa.Integer(), nullable=True),
        sa.Column("failure_code", sa.String(length=32), nullable=True),
        sa.Column("failure_answer", sa.Text(), nullable=True),
        sa.Column("failed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_processes")),
    )
    op.create_table(
        "runs",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("process_number", sa.String(length=25), nullable=False),
        sa.Column("client", sa.String(length=64), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("outcome", sa.String(length=16), nullable=True),
        sa.Column("failure_code", sa.String(length=32), nullable=True),
        sa.Column("failure_answer", sa.Text(), nullable=True),
        sa.Column("total_documents", sa.Integer(), nullable=True),
        sa.Column("available_documents", sa.Integer(), nullable=True),
        sa.Column("failed_documents", sa.Integer(), nullable=True),
        sa.Column("available_bytes", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_runs")),
    )
    op.create_index("ix_runs_process_number_started_at", "runs", ["process_number", "started_at"], unique=False)

    op.create_table(
        "instances",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("process_number", sa.String(length=25), nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("degree", sa.String(length=16), nullable=True),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("court_unit", sa.Text(), nullable=True),
        sa.Column("filed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("current", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["process_number"],
            ["processes.number"],
            name=op.f("fk_instances_process_number"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_instances")),
    )
    op.create_index("uq_instances_process_number_key", "instances", ["process_number", "key"], unique=True)

    op.create_table(
        "webhook_subscriptions",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("process_number", sa.String(length=25), nullable=False),
        sa.Column("client", sa.String(length=64), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("run_id", sa.String(length=36), nullable=True),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("fk_webhook_subscriptions_run_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_subscriptions")),
    )
    op.create_index(
        "uq_webhook_subscriptions_waiting",
        "webhook_subscriptions",
        ["process_number", "client", "url"],
        unique=True,
        sqlite_where=sa.text("run_id IS NULL"),
        postgresql_where=sa.text("run_id IS NULL"),
    )

    op.create_table(
        "documents",
        sa.Column("process_number", sa.String(length=25), nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("instance_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("sequence", sa.Integer(), nullable=True),
        sa.Column("type_code", sa.Integer(), nullable=True),
        sa.Column("type_name", sa.Text(), nullable=True),
        sa.Column("filed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("secrecy", sa.String(length=16), nullable=False),
        sa.Column("binary_href", sa.Text(), nullable=True),
        sa.Column("text_href", sa.Text(), nullable=True),
        sa.Column("declared_media_type", sa.Text(), nullable=True),
        sa.Column("declared_size_bytes", sa.BigInteger(), nullable=True),
        sa.Column("pages", sa.Integer(), nullable=True),
        sa.Column("origin_id", sa.Text(), nullable=True),
        sa.Column("sources", sa.JSON(), server_default="[]", nullable=False),
        sa.Column("first_listed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_listed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("withdrawn", sa.Boolean(), server_default=sa.text("(false)"), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("failed_attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("failure_code", sa.String(length=32), nullable=True),
        sa.Column("failure_answer", sa.Text(), nullable=True),
        sa.Column("failed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("object_key", sa.Text(), nullable=True),
        sa.Column("size_bytes", sa.BigInteger(), nullable=True),
        sa.Column("sha256", sa.String(length=64), nullable=True),
        sa.Column("media_type", sa.Text(), nullable=True),
        sa.Column("stored_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["instance_id"], ["instances.id"], name=op.f("fk_documents_instance_id")),
        sa.ForeignKeyConstraint(
            ["process_number"],
            ["processes.number"],
            name=op.f("fk_documents_process_number"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("process_number", "id", name=op.f("pk_documents")),
    )
    op.create_index(
        "ix_documents_counted",
        "documents",
        ["process_number", "status", "withdrawn", "failure_code", "position", "size_bytes"],
        unique=False,
    )
    op.create_index(
        "ix_documents_process_number_status", "documents", ["process_number", "status", "position"], unique=False
    )
    op.create_index(
        "uq_documents_process_number_position", "documents", ["process_number", "position"], unique=True
    )

    op.create_table(
        "webhook_deliveries",
        sa.Column(
            "number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False
        ),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("subscription_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("run_id", sa.String(length=36), nullable=False),
        sa.Column("process_number", sa.String(length=25), nullable=False),
        sa.Column("client", sa.String(length=64), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("event_type", sa.String(length=32), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("delivered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("given_up_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("fk_webhook_deliveries_run_id")),
        sa.ForeignKeyConstraint(
            ["subscription_id"],
            ["webhook_subscriptions.id"],
            name=op.f("fk_webhook_deliveries_subscription_id"),
        ),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_webhook_deliveries")),
        sa.UniqueConstraint("id", name=op.f("uq_webhook_deliveries_id")),
        sa.UniqueConstraint("subscription_id", name=op.f("uq_webhook_deliveries_subscription_id")),
    )
    op.create_index("ix_webhook_deliveries_run_id_number", "webhook_deliveries", ["run_id", "number"], unique=False)

    op.create_table(
        "webhook_attempts",
        sa.Column("delivery_number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("status_code", sa.Integer(), nullable=True),
        sa.Column("latency_ms", sa.Integer(), nullable=True),
        sa.Column("excerpt", sa.Text(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["delivery_number"],
            ["webhook_deliveries.number"],
            name=op.f("fk_webhook_attempts_delivery_number"),
        ),
        sa.PrimaryKeyConstraint("delivery_number", "attempt", name=op.f("pk_webhook_attempts")),
    )

    op.create_table(
        "court",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("failure_code", sa.String(length=32), nullable=True),
        sa.Column("failure_answer", sa.Text(), nullable=True),
        sa.Column("process_number", sa.String(length=25), nullable=True),
        sa.Column("since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("not_before", sa.DateTime(timezone=True), nullable=True),
        sa.Column("probes", sa.Integer(), server_default="0", nullable=False),
        sa.Column("next_probe_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("refused_token", sa.String(length=16), nullable=True),
        sa.Column("relapses", sa.Integer(), server_default="0", nullable=False),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("token_source", sa.String(length=16), nullable=True),
        sa.Column("token_expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("token_renewable", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("token_rejected", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_court")),
    )

    op.create_table(
        "court_credentials",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("access_token", sa.Text(), nullable=True),
        sa.Column("refresh_token", sa.Text(), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("refresh_expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("stored_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_court_credentials")),
    )


def downgrade() -> None:
    """Drop every table."""
    op.drop_table("court_credentials")
    op.drop_table("court")
    op.drop_table("webhook_attempts")
    op.drop_index("ix_webhook_deliveries_run_id_number", table_name="webhook_deliveries")

    op.drop_table("webhook_deliveries")
    op.drop_index("uq_documents_process_number_position", table_name="documents")
    op.drop_index("ix_documents_counted", table_name="documents")
    op.drop_index("ix_documents_process_number_status", table_name="documents")

    op.drop_table("documents")
    op.drop_index("uq_webhook_subscriptions_waiting", table_name="webhook_subscriptions")

    op.drop_table("webhook_subscriptions")
    op.drop_index("uq_instances_process_number_key", table_name="instances")

    op.drop_table("instances")
    op.drop_index("ix_runs_process_number_started_at", table_name="runs")

    op.drop_table("runs")
    op.drop_table("processes")
