"""Documents that have failed, without the half minute that five attempts take."""

from __future__ import annotations

import sqlite3
from contextlib import closing

from domain.errors import FailureCode
from tests.support.stack import RunningStack


def fail_documents(
    stack: RunningStack, number: str, positions: list[int], code: FailureCode, answer: str = ""
) -> None:
    """Have the catalog say of stored documents of a stack's process that five attempts at them have failed.

    Args:
        stack: the stack.
        number: the process; no run is open for it.
        positions: the documents' places, from 1.
        code: why.
        answer: what the court said.
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
