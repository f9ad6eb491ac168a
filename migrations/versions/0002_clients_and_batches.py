"""Clients with their keys, batches, and the indexes of the lists over all processes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables and indexes."""
    op.create_table(
        "clients",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("webhook_secret", sa.Text(), nullable=False),
        sa.Column("former_webhook_secret", sa.Text(), nullable=True),
        sa.Column("former_webhook_secret_ends_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_clients")),
    )
    op.create_table(
        "api_keys",
        sa.Column("id", sa.String(length=16), nullable=False),
        sa.Column("client", sa.String(length=64), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("requests_per_minute", sa.Integer(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["client"], ["clients.name"], name=op.f("fk_api_keys_client")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_keys")),
    )
    op.create_index("ix_api_keys_client", "api_keys", ["client"], unique=False)
    op.create_table(
        "batches",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("client", sa.String(length=64), nullable=False),
        sa.Column("webhook_url", sa.Text(), nullable=True),
        sa.Column("max_age_seconds", sa.Integer(), nullable=True),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("duplicates", sa.Integer(), server_default="0", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_batches")),
    )
    op.create_table(
        "batch_items",
        sa.Column("batch_id", sa.String(length=32), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("given", sa.String(length=64), nullable=False),
        sa.Column("process_number", sa.String(length=25), nullable=True),
        sa.Column("problem_code", sa.String(length=32), nullable=True),
        sa.Column("problem_detail", sa.Text(), nullable=True),
        sa.Column("decision", sa.String(length=16), nullable=True),
        sa.Column("run_id", sa.String(length=36), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["batch_id"], ["batches.id"], name=op.f("fk_batch_items_batch_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("batch_id", "position", name=op.f("pk_batch_items")),
    )
    op.add_column("runs", sa.Column("chosen_documents", sa.Integer(), nullable=True))
    op.create_index("ix_batch_items_process_number", "batch_items", ["process_number"], unique=False)
    op.create_index("ix_processes_created_at_number", "processes", ["created_at", "number"], unique=False)
    op.create_index(
        "ix_processes_court_created_at_number", "processes", ["court", "created_at", "number"], unique=False
    )
    op.create_index(
        "ix_processes_failed",
        "processes",
        ["failed_at", "number"],
        unique=False,
        sqlite_where=sa.text("failure_code IS NOT NULL"),
        postgresql_where=sa.text("failure_code IS NOT NULL"),
    )
    op.create_index(
        "ix_documents_failed",
        "documents",
        ["failed_at", "process_number", "id"],
        unique=False,
        sqlite_where=sa.text("status = 'failed'"),
        postgresql_where=sa.text("status = 'failed'"),
    )
    op.create_index(
        "ix_batches_open",
        "batches",
        ["id"],
        unique=False,
        sqlite_where=sa.text("ended_at IS NULL"),
        postgresql_where=sa.text("ended_at IS NULL"),
    )


def downgrade() -> None:
    """Drop the tables and indexes."""
    op.drop_index("ix_batches_open", table_name="batches")
    op.drop_index("ix_documents_failed", table_name="documents")
    op.drop_index("ix_processes_failed", table_name="processes")
    op.drop_index("ix_processes_court_created_at_number", table_name="processes")
    op.drop_index("ix_processes_created_at_number", table_name="processes")
    op.drop_index("ix_batch_items_process_number", table_name="batch_items")
    op.drop_column("runs", "chosen_documents")
    op.drop_table("batch_items")
    op.drop_table("batches")
    op.drop_table("api_keys")
    op.drop_table("clients")
