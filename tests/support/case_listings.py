"""Listings with documents and movements of a case."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from domain.cases import movement_key
from domain.listings import DocumentOrigin, ListedDocument, ListedMovement, Listing
from tests.support.listings import FIRST_DEGREE, document_ids, listing_of

FILED = datetime(2026, 3, 2, 13, tzinfo=UTC)


def create_documents(count: int, *, origins: bool = True, source: int = 45, **changes: Any) -> list[ListedDocument]:
    """Return documents with new ids, the same ones at every call but for the ids."""
    return [
        ListedDocument(
            id=document_id,
            instance_key=FIRST_DEGREE.key,
            name=f"Petição {place}.pdf",
            filed_at=FILED + timedelta(hours=place),
            origin_id=f"19{place}" if origins else None,
            binary_href=f"/processos/0/documentos/{document_id}/binario",
            sources=(DocumentOrigin(document_id, source),),
            **changes,
        )
        for place, document_id in enumerate(document_ids(count))
    ]


def create_movements(count: int, **changes: Any) -> tuple[ListedMovement, ...]:
    """Return movements, the same ones at every call."""
    return tuple(
        ListedMovement(
            movement_key("G1", FILED + timedelta(hours=place), 60, "Juntada", 0),
            FIRST_DEGREE.key,
            FILED + timedelta(hours=place),
            60,
            "Juntada",
            **changes,
        )
        for place in range(count)
    )


def list_case(
    number: str, documents: Sequence[ListedDocument], movements: int = 0, *, hour: int = 0, **changes: Any
) -> Listing:
    """Return a listing of documents and movements, so many hours after the first."""
    listing = listing_of(number, documents, hour=hour)
    return replace(listing, movements=create_movements(movements), **changes)
