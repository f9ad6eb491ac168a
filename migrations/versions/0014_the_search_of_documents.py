"""Names and types of documents without case and accents, for searches."""

from __future__ import annotations

import unicodedata

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

_ROWS_AT_ONCE = 1000
_documents = sa.table(
    "documents",
    *(sa.column(name, sa.Text()) for name in ("process_number", "id", "name", "type_name", "search_text")),
)


def upgrade() -> None:
    """Add the text to search in, and fill it for the documents that are known."""
    op.add_column("documents", sa.Column("search_text", sa.Text()))
    key = sa.tuple_(_documents.c.process_number, _documents.c.id)
    update = (
        sa.update(_documents)
        .where(
            _documents.c.process_number == sa.bindparam("of_process"),
            _documents.c.id == sa.bindparam("of_id"),
        )
        .values(search_text=sa.bindparam("text"))
    )
    last: tuple[str, str] = ("", "")
    while True:
        rows = (
            op.get_bind()
            .execute(
                sa.select(_documents.c.process_number, _documents.c.id, _documents.c.name, _documents.c.type_name)
                .where(key > last)
                .order_by(_documents.c.process_number, _documents.c.id)
                .limit(_ROWS_AT_ONCE)
            )
            .all()
        )
        if not rows:
            return
        op.get_bind().execute(
            update,
            [
                {"of_process": row.process_number, "of_id": row.id, "text": _search_text(row.name, row.type_name)}
                for row in rows
            ],
        )
        last = (rows[-1].process_number, rows[-1].id)


def downgrade() -> None:
    """Revert."""
    with op.batch_alter_table("documents") as documents:
        documents.drop_column("search_text")


def _search_text(name: str | None, type_name: str | None) -> str:
    # As the code had it when this file was written. The next listing writes it anew.
    return f"{_fold(name or type_name or '')}\n{_fold(type_name or '')}"


def _fold(text: str) -> str:
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    plain = "".join(character for character in decomposed if not unicodedata.combining(character))
    return " ".join("".join(each if each.isprintable() else " " for each in plain).split())
