"""Watches, the events of each client, and who is told of a run's end without a webhook."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables, and the mark of a run that is a look."""
    op.add_column("runs", sa.Column("is_look", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    _create_watches()
    op.create_table(
        "run_followers",
        sa.Column("run_id", sa.String(length=36), nullable=False),
        sa.Column("client", sa.String(length=64), nullable=False),
        sa.Column("process_number", sa.String(length=25), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("fk_run_followers_run_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run_id", "client", name=op.f("pk_run_followers")),
    )
    op.create_index("ix_run_followers_process_number", "run_followers", ["process_number"])
    op.create_table(
        "events",
        sa.Column("client", sa.String(length=64), nullable=False),
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("event_type", sa.String(length=32), nullable=False),
        sa.Column("process_number", sa.String(length=25), nullable=True),
        sa.Column("run_id", sa.String(length=36), nullable=True),
        sa.Column("run_end", sa.Integer(), nullable=True),
        sa.Column("details", sa.JSON(), server_default="{}", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("client", "number", name=op.f("pk_events")),
        sa.UniqueConstraint("id", name=op.f("uq_events_id")),
    )
    op.create_index("ix_events_created_at", "events", ["created_at", "client", "number"])
    op.create_index("ix_events_process_number", "events", ["process_number"])
    op.create_index("ix_events_run_id", "events", ["run_id"])
    op.create_table(
        "event_counters",
        sa.Column("client", sa.String(length=64), nullable=False),
        sa.Column("last_number", sa.BigInteger(), nullable=False),
        sa.Column("pruned_number", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("client", name=op.f("pk_event_counters")),
    )


def _create_watches() -> None:
    op.create_table(
        "watches",
        sa.Column("process_number", sa.String(length=25), nullable=False),
        sa.Column("client", sa.String(length=64), nullable=False),
        sa.Column("every_seconds", sa.Integer(), nullable=False),
        sa.Column("webhook_url", sa.Text(), nullable=True),
        sa.Column("notify", sa.String(length=16), nullable=False),
        sa.Column("download", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_checked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("next_look_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("late_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("looking_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("not_before", sa.DateTime(timezone=True), nullable=True),
        sa.Column("failure_code", sa.String(length=32), nullable=True),
        sa.Column("announced_sequence", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["process_number"],
            ["processes.number"],
            name=op.f("fk_watches_process_number"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("process_number", "client", name=op.f("pk_watches")),
    )
    op.create_index("ix_watches_next_look_at", "watches", ["next_look_at", "process_number", "client"])
    op.create_index("ix_watches_late_at", "watches", ["late_at"])
    op.create_index("ix_watches_created_at", "watches", ["created_at", "process_number", "client"])
    op.create_index("ix_watches_client", "watches", ["client", "created_at", "process_number"])
    op.create_index(
        "ix_watches_looking_since",
        "watches",
        ["looking_since"],
        sqlite_where=sa.text("looking_since IS NOT NULL"),
        postgresql_where=sa.text("looking_since IS NOT NULL"),
    )


def downgrade() -> None:
    """Drop the tables and the mark."""
    op.drop_table("event_counters")
    op.drop_table("events")
    op.drop_table("run_followers")
    op.drop_table("watches")
    op.drop_column("runs", "is_look")
