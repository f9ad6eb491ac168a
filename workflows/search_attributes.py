"""What operators can search runs by. Not encrypted by any codec, so nothing personal."""

from __future__ import annotations

from typing import Any

from temporalio.common import SearchAttributeKey

COURT = SearchAttributeKey.for_keyword("Court")
PHASE = SearchAttributeKey.for_keyword("Phase")
OUTCOME = SearchAttributeKey.for_keyword("Outcome")
CLIENT = SearchAttributeKey.for_keyword("Client")
DOCUMENTS_TOTAL = SearchAttributeKey.for_int("DocumentsTotal")
DOCUMENTS_FAILED = SearchAttributeKey.for_int("DocumentsFailed")

# A run's memo: how many documents it is for; absent or 0 for all.
CHOSEN_DOCUMENTS = "chosen_documents"

SEARCH_ATTRIBUTES: tuple[SearchAttributeKey[Any], ...] = (
    COURT,
    PHASE,
    OUTCOME,
    CLIENT,
    DOCUMENTS_TOTAL,
    DOCUMENTS_FAILED,
)
