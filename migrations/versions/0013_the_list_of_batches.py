"""Indexes of the list of batches, of one client and of all."""

from __future__ import annotations

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the indexes."""
    op.create_index("ix_batches_created_at_id", "batches", ["created_at", "id"])
    op.create_index("ix_batches_client_created_at_id", "batches", ["client", "created_at", "id"])


def downgrade() -> None:
    """Drop the indexes."""
    op.drop_index("ix_batches_client_created_at_id", table_name="batches")
    op.drop_index("ix_batches_created_at_id", table_name="batches")
