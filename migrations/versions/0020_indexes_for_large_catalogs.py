"""Indexes without which a question takes longer, the more processes there are."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

_IS_FAILED_DOCUMENT = sa.text("status = 'failed' AND failure_code IS NOT NULL")
_IS_FAILED_PROCESS = sa.text("failure_code IS NOT NULL")


def upgrade() -> None:
    """Create the indexes."""
    op.create_index("ix_documents_instance_id", "documents", ["instance_id"])
    op.create_index(
        "ix_documents_failed_code",
        "documents",
        ["failure_code", "failed_at", "process_number", "id"],
        sqlite_where=_IS_FAILED_DOCUMENT,
        postgresql_where=_IS_FAILED_DOCUMENT,
    )
    op.create_index(
        "ix_processes_failed_code",
        "processes",
        ["failure_code", "failed_at", "number"],
        sqlite_where=_IS_FAILED_PROCESS,
        postgresql_where=_IS_FAILED_PROCESS,
    )
    op.create_index("ix_webhook_subscriptions_process_number", "webhook_subscriptions", ["process_number"])
    op.create_index("ix_accesses_how_at_number", "accesses", ["how", "at", "number"])


def downgrade() -> None:
    """Drop the indexes."""
    op.drop_index("ix_accesses_how_at_number", table_name="accesses")
    op.drop_index("ix_webhook_subscriptions_process_number", table_name="webhook_subscriptions")
    op.drop_index("ix_processes_failed_code", table_name="processes")
    op.drop_index("ix_documents_failed_code", table_name="documents")
    op.drop_index("ix_documents_instance_id", table_name="documents")
