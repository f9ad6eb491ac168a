"""A generation counter in the court's circuit breaker, instead of a timestamp for comparison."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Replace the timestamp by the generation."""
    with op.batch_alter_table("court") as court:
        court.add_column(sa.Column("generation", sa.Integer(), server_default="0", nullable=False))
        court.drop_column("answered_at")


def downgrade() -> None:
    """Revert."""
    with op.batch_alter_table("court") as court:
        court.add_column(sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True))
        court.drop_column("generation")
