"""Failed documents, without the half minute that five real attempts take."""

from __future__ import annotations

import sqlite3
from contextlib import closing

from domain.errors import FailureCode
from tests.support.stack import RunningStack


def mark_documents_failed(
    stack: RunningStack, number: str, positions: list[int], code: FailureCode, answer: str = ""
) -> None:
    """Mark stored documents in the catalog as failed after five attempts.

    Args:
        stack: the stack.
        number: the process, without an open run.
        positions: the positions of the documents, from 1.
        code: the failure's code.
        answer: the court's answer in the failure.
    """
    with closing(sqlite3.connect(stack.data_dir / "autos.db")) as catalog, catalog:
        for position in positions:
            changed = catalog.execute(
                "UPDATE documents SET status = 'failed', failure_code = ?, failure_answer = ?, "
                "failed_attempts = 5, failed_at = '2026-01-02 03:04:05.000000', "
                "object_key = NULL, size_bytes = NULL, sha256 = NULL, "
                "media_type = NULL, stored_at = NULL WHERE process_number = ? AND position = ?",
                (code.value, answer, number, position),
            )
            assert changed.rowcount == 1
