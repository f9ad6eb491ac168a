"""Secrecy levels of instances and former sources, and when the court stopped showing a document or process."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_TABLES_WITH_SECRECY = ("processes", "instances", "documents")


def upgrade() -> None:
    """Add the columns, and mark what is already known to be unlisted."""
    moment = sa.DateTime(timezone=True)
    op.add_column("processes", sa.Column("unlisted_at", moment, nullable=True))
    op.add_column("documents", sa.Column("unlisted_at", moment, nullable=True))
    op.add_column("documents", sa.Column("former_sources", sa.JSON(), server_default="{}", nullable=False))
    op.add_column("instances", sa.Column("secrecy", sa.String(length=16), server_default="unknown", nullable=False))
    # Earlier listings were read without the instances' levels, and levels that were not understood counted as
    # public. So everything is closed until its next listing.
    op.execute("UPDATE instances SET secrecy = 'unrecognized'")
    op.execute(
        "UPDATE processes SET unlisted_at = failed_at"
        " WHERE failure_code IN ('no_access', 'not_found') AND listed_at IS NOT NULL"
    )
    # The exact time when a document disappeared was not recorded. It is between its last listing and the process's.
    op.execute("UPDATE documents SET unlisted_at = last_listed_at WHERE withdrawn")
    for table in _TABLES_WITH_SECRECY:
        op.create_index(
            f"ix_{table}_unrecognized_secrecy",
            table,
            ["secrecy"],
            unique=False,
            sqlite_where=sa.text("secrecy = 'unrecognized'"),
            postgresql_where=sa.text("secrecy = 'unrecognized'"),
        )


def downgrade() -> None:
    """Revert. An unrecognized level becomes the strictest one that the former version knows."""
    for table in _TABLES_WITH_SECRECY:
        op.drop_index(f"ix_{table}_unrecognized_secrecy", table_name=table)
    for table in ("processes", "documents"):
        op.execute(f"UPDATE {table} SET secrecy = 'absolute' WHERE secrecy = 'unrecognized'")  # noqa: S608 - fixed names.
    with op.batch_alter_table("instances") as instances:
        instances.drop_column("secrecy")
    with op.batch_alter_table("documents") as documents:
        documents.drop_column("former_sources")
        documents.drop_column("unlisted_at")
    with op.batch_alter_table("processes") as processes:
        processes.drop_column("unlisted_at")
