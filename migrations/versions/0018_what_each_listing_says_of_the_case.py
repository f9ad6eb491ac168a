"""What each listing says of the case: movements, parties and related processes, and the log of changes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Create the tables, and add what is known of each instance and of a document that the court stops listing."""
    op.add_column("processes", sa.Column("changes_since", _MOMENT, nullable=True))
    op.add_column("processes", sa.Column("movements_since", _MOMENT, nullable=True))
    op.add_column("instances", sa.Column("class_code", sa.Integer(), nullable=True))
    op.add_column("instances", sa.Column("class_name", sa.Text(), nullable=True))
    op.add_column("instances", sa.Column("subjects", sa.JSON(), server_default="[]", nullable=False))
    op.add_column("instances", sa.Column("value", sa.Numeric(precision=18, scale=2), nullable=True))
    op.add_column("instances", sa.Column("last_listed_at", _MOMENT, nullable=True))
    op.add_column("documents", sa.Column("unlisting_reported_at", _MOMENT, nullable=True))
    op.add_column("documents", sa.Column("replaced_by", sa.String(length=36), nullable=True))
    op.create_index("ix_documents_process_number_filed_at", "documents", ["process_number", "filed_at", "id"])
    _create_movements()
    _create_parties()
    _create_related_processes()
    _create_changes()
    _index_instances()


def _process_number() -> sa.Column[str]:
    return sa.Column("process_number", sa.String(length=25), nullable=False)


def _instance_id() -> sa.Column[int]:
    return sa.Column("instance_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False)


def _references(table: str) -> tuple[sa.ForeignKeyConstraint, sa.ForeignKeyConstraint]:
    return (
        sa.ForeignKeyConstraint(
            ["process_number"],
            ["processes.number"],
            name=op.f(f"fk_{table}_process_number"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["instance_id"], ["instances.id"], name=op.f(f"fk_{table}_instance_id")),
    )


def _create_movements() -> None:
    op.create_table(
        "movements",
        _process_number(),
        sa.Column("key", sa.String(length=64), nullable=False),
        _instance_id(),
        sa.Column("occurred_at", _MOMENT, nullable=True),
        sa.Column("code", sa.Integer(), nullable=True),
        sa.Column("text", sa.Text(), nullable=True),
        sa.Column("document_id", sa.String(length=36), nullable=True),
        sa.Column("secrecy", sa.String(length=16), server_default="unknown", nullable=False),
        sa.Column("first_listed_at", _MOMENT, nullable=False),
        sa.Column("unlisted_at", _MOMENT, nullable=True),
        *_references("movements"),
        sa.PrimaryKeyConstraint("process_number", "key", name=op.f("pk_movements")),
    )
    op.create_index(
        "ix_movements_process_number_occurred_at", "movements", ["process_number", "occurred_at", "key"]
    )
    op.create_index(
        "ix_movements_unrecognized_secrecy",
        "movements",
        ["secrecy"],
        sqlite_where=sa.text("secrecy = 'unrecognized'"),
        postgresql_where=sa.text("secrecy = 'unrecognized'"),
    )


def _create_parties() -> None:
    op.create_table(
        "parties",
        _process_number(),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        _instance_id(),
        sa.Column("pole", sa.String(length=32), nullable=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("lawyers", sa.JSON(), server_default="[]", nullable=False),
        *_references("parties"),
        sa.PrimaryKeyConstraint("process_number", "position", name=op.f("pk_parties")),
    )


def _create_related_processes() -> None:
    op.create_table(
        "related_processes",
        _process_number(),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        _instance_id(),
        sa.Column("related_number", sa.String(length=64), nullable=False),
        sa.Column("relation", sa.String(length=64), nullable=True),
        sa.Column("class_code", sa.Integer(), nullable=True),
        sa.Column("class_name", sa.Text(), nullable=True),
        sa.Column("active", sa.Boolean(), nullable=True),
        *_references("related_processes"),
        sa.PrimaryKeyConstraint("process_number", "position", name=op.f("pk_related_processes")),
    )


def _create_changes() -> None:
    op.create_table(
        "changes",
        _process_number(),
        sa.Column("sequence", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("document_id", sa.String(length=36), nullable=True),
        sa.Column("movement_key", sa.String(length=64), nullable=True),
        sa.Column("details", sa.JSON(), server_default="{}", nullable=False),
        sa.Column("seen_at", _MOMENT, nullable=False),
        sa.Column("undecided", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("same_as", sa.String(length=36), nullable=True),
        _references("changes")[0],
        sa.PrimaryKeyConstraint("process_number", "sequence", name=op.f("pk_changes")),
    )
    op.create_index(
        "ix_changes_undecided",
        "changes",
        ["process_number"],
        sqlite_where=sa.text("undecided"),
        postgresql_where=sa.text("undecided"),
    )


def _index_instances() -> None:
    for table in ("movements", "parties", "related_processes"):
        op.create_index(f"ix_{table}_instance_id", table, ["instance_id"])


def downgrade() -> None:
    """Drop the tables and columns. What the listings said of the case is lost; the next one says it again."""
    for table in ("changes", "related_processes", "parties", "movements"):
        op.drop_table(table)
    op.drop_index("ix_documents_process_number_filed_at", table_name="documents")
    for table, columns in _ADDED_COLUMNS.items():
        with op.batch_alter_table(table) as altered:
            for column in columns:
                altered.drop_column(column)


_ADDED_COLUMNS = {
    "documents": ("replaced_by", "unlisting_reported_at"),
    "instances": ("last_listed_at", "value", "subjects", "class_name", "class_code"),
    "processes": ("movements_since", "changes_since"),
}
