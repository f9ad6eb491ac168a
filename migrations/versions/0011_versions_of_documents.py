"""Versions of documents that the court replaces under the same id, and documents without content."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the former versions, and count versions and documents without content."""
    with op.batch_alter_table("documents") as documents:
        documents.add_column(sa.Column("version", sa.Integer(), server_default="1", nullable=False))
    with op.batch_alter_table("runs") as runs:
        runs.add_column(sa.Column("no_content_documents", sa.Integer(), server_default="0", nullable=False))
    op.create_table(
        "document_versions",
        sa.Column("process_number", sa.String(length=25), nullable=False),
        sa.Column("document_id", sa.String(length=36), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("filed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("object_key", sa.Text(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("media_type", sa.Text(), nullable=False),
        sa.Column("stored_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("replaced_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["process_number", "document_id"],
            ["documents.process_number", "documents.id"],
            name="fk_document_versions_document",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("process_number", "document_id", "version", name=op.f("pk_document_versions")),
    )


def downgrade() -> None:
    """Revert. Former versions stay in the store but are no longer recorded."""
    op.drop_table("document_versions")
    with op.batch_alter_table("runs") as runs:
        runs.drop_column("no_content_documents")
    with op.batch_alter_table("documents") as documents:
        documents.drop_column("version")
