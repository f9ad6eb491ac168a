"""Receipts of erasures, and legal holds."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create both tables."""
    op.create_table(
        "erasures",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("process_number", sa.String(length=25), nullable=False),
        sa.Column("blocked_number", sa.String(length=25), nullable=True),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("requested_by", sa.String(length=64), nullable=False),
        sa.Column("key_id", sa.String(length=16), nullable=True),
        sa.Column("completed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("allowed_again_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("allowed_again_by", sa.String(length=64), nullable=True),
        sa.Column("allowed_again_key_id", sa.String(length=16), nullable=True),
        sa.Column("documents", sa.Integer(), server_default="0", nullable=False),
        sa.Column("versions", sa.Integer(), server_default="0", nullable=False),
        sa.Column("objects", sa.Integer(), nullable=True),
        sa.Column("bytes", sa.BigInteger(), nullable=True),
        sa.Column("runs", sa.Integer(), server_default="0", nullable=False),
        sa.Column("deliveries", sa.Integer(), server_default="0", nullable=False),
        sa.Column("accesses", sa.Integer(), server_default="0", nullable=False),
        sa.Column("workflows", sa.Integer(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_erasures")),
        sa.UniqueConstraint("blocked_number", name=op.f("uq_erasures_blocked_number")),
    )
    op.create_index("ix_erasures_process_number_id", "erasures", ["process_number", "id"])
    op.create_index(
        "ix_erasures_running",
        "erasures",
        ["id"],
        sqlite_where=sa.text("completed_at IS NULL"),
        postgresql_where=sa.text("completed_at IS NULL"),
    )
    op.create_table(
        "legal_holds",
        sa.Column("process_number", sa.String(length=25), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("placed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("placed_by", sa.String(length=64), nullable=False),
        sa.Column("key_id", sa.String(length=16), nullable=True),
        sa.PrimaryKeyConstraint("process_number", name=op.f("pk_legal_holds")),
    )


def downgrade() -> None:
    """Drop both tables."""
    op.drop_table("legal_holds")
    op.drop_table("erasures")
