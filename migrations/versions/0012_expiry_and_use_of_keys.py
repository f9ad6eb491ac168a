"""When API keys expire, and when they were last used."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add both times. The keys that exist never expire."""
    with op.batch_alter_table("api_keys") as api_keys:
        api_keys.add_column(sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True))
        api_keys.add_column(sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    """Drop both times. A key that would now never expire is revoked instead."""
    op.execute("UPDATE api_keys SET revoked_at = expires_at WHERE revoked_at IS NULL AND expires_at IS NOT NULL")
    with op.batch_alter_table("api_keys") as api_keys:
        api_keys.drop_column("last_used_at")
        api_keys.drop_column("expires_at")
