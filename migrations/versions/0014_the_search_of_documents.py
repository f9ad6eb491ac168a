"""Names and types of documents without case and accents, for searches."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the text to search in.

    `adapters.database.search_texts` fills it after this transaction, whose lock keeps even readers away.
    """
    op.add_column("documents", sa.Column("search_text", sa.Text()))


def downgrade() -> None:
    """Revert."""
    with op.batch_alter_table("documents") as documents:
        documents.drop_column("search_text")
