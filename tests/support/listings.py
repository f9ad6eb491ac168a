"""Listings as the court could give them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from domain.documents import Instance, ListedDocument, Listing, StoredObject

FIRST_DEGREE = Instance("G1:45", "G1", "1° Grau", "1ª VARA CÍVEL", datetime(2026, 1, 15, tzinfo=UTC), current=True)
SECOND_DEGREE = Instance("G2:45", "G2", "2° Grau")
_BEGINNING = datetime(2026, 3, 1, 12, tzinfo=UTC)


def document_ids(count: int) -> list[str]:
    """Ids that no other document has."""
    return [str(uuid4()) for _ in range(count)]


def listed(document_id: str, *, instance: Instance = FIRST_DEGREE, name: str = "Petição.pdf") -> ListedDocument:
    """A document as a listing names it."""
    href = f"/processos/0/documentos/{document_id}/binario"
    return ListedDocument(id=document_id, instance_key=instance.key, name=name, binary_href=href)


def listing_of(
    number: str,
    documents: Sequence[str | ListedDocument],
    *,
    hour: int = 0,
    instances: tuple[Instance, ...] = (FIRST_DEGREE,),
) -> Listing:
    """A listing made so many hours after the first."""
    return Listing(
        process_number=number,
        court="TJMT",
        listed_at=_BEGINNING + timedelta(hours=hour),
        instances=instances,
        documents=tuple(listed(one) if isinstance(one, str) else one for one in documents),
    )


def stored_object(number: str, document_id: str, *, size_bytes: int = 1000) -> StoredObject:
    """An object as the store reports it."""
    return StoredObject(f"processes/{number}/{document_id}.pdf", size_bytes, "ab" * 32, "application/pdf")
