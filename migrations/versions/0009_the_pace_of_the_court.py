"""The rate limiter of requests to the court."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table, which has a single row."""
    op.create_table(
        "court_pace",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("next_slot", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_court_pace")),
    )


def downgrade() -> None:
    """Drop the table."""
    op.drop_table("court_pace")
