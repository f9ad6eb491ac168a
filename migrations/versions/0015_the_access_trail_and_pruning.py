"""The access trail, and the indexes by which old rows are found."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from adapters.database.tables import RowNumber, UtcDateTime

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table and the indexes."""
    op.create_table(
        "accesses",
        sa.Column("number", RowNumber, primary_key=True, autoincrement=True),
        sa.Column("at", UtcDateTime, nullable=False),
        sa.Column("process_number", sa.String(25), nullable=False),
        sa.Column("client", sa.String(64), nullable=False),
        sa.Column("key_id", sa.String(16)),
        sa.Column("how", sa.String(16), nullable=False),
        sa.Column("document_ids", sa.Text(), nullable=False),
        sa.Column("request_id", sa.String(128)),
        sa.Column("event_id", sa.String(64)),
        sa.Column("purpose", sa.String(200)),
    )
    op.create_index("ix_accesses_at_number", "accesses", ["at", "number"])
    op.create_index("ix_accesses_process_number_at_number", "accesses", ["process_number", "at", "number"])
    op.create_index("ix_accesses_client_at_number", "accesses", ["client", "at", "number"])
    op.create_index("ix_runs_ended_at_id", "runs", ["ended_at", "id"])
    is_cleared = sa.text("cleared_at IS NOT NULL")
    op.create_index(
        "ix_alerts_cleared_at", "alerts", ["cleared_at"], sqlite_where=is_cleared, postgresql_where=is_cleared
    )


def downgrade() -> None:
    """Drop them."""
    op.drop_index("ix_alerts_cleared_at", table_name="alerts")
    op.drop_index("ix_runs_ended_at_id", table_name="runs")
    op.drop_table("accesses")
