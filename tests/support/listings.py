"""Listings with synthetic documents."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from domain.documents import StoredObject
from domain.listings import Instance, ListedDocument, Listing

FIRST_DEGREE = Instance("G1:45", "G1", "1° Grau", "1ª VARA CÍVEL", datetime(2026, 1, 15, tzinfo=UTC), current=True)
SECOND_DEGREE = Instance("G2:45", "G2", "2° Grau")
_BEGINNING = datetime(2026, 3, 1, 12, tzinfo=UTC)


def document_ids(count: int) -> list[str]:
    """Return so many unused document ids."""
    return [str(uuid4()) for _ in range(count)]


def listed(document_id: str, *, instance: Instance = FIRST_DEGREE, name: str = "Petição.pdf") -> ListedDocument:
    """Return a document of a listing."""
    href = f"/processos/0/documentos/{document_id}/binario"
    return ListedDocument(id=document_id, instance_key=instance.key, name=name, binary_href=href)


def listing_of(
    number: str,
    documents: Sequence[str | ListedDocument],
    *,
    hour: int = 0,
    instances: tuple[Instance, ...] = (FIRST_DEGREE,),
) -> Listing:
    """Return a listing of these documents, listed so many hours after the first."""
    return Listing(
        process_number=number,
        court="TJMT",
        listed_at=_BEGINNING + timedelta(hours=hour),
        instances=instances,
        documents=tuple(listed(document) if isinstance(document, str) else document for document in documents),
    )


def stored_object(number: str, document_id: str, *, size_bytes: int = 1000) -> StoredObject:
    """Return a stored object as the store reports it."""
    return StoredObject(f"processes/{number}/{document_id}.pdf", size_bytes, "ab" * 32, "application/pdf")
