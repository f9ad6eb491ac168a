"""A content that the court replaces under the same id is downloaded again, and the former one is kept."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from adapters.database import Catalog
from domain.documents import DocumentStatus, StoredObject
from domain.listings import DocumentOrigin, ListedDocument
from tests.support.listings import FIRST_DEGREE, document_ids, listing_of, stored_object

FILED = datetime(2026, 3, 2, tzinfo=UTC)


def listed(
    document_id: str, size_bytes: int | None = 548, filed_at: datetime | None = FILED, source: int = 45
) -> ListedDocument:
    """Build a document as one of the court's systems lists it."""
    origin = DocumentOrigin(document_id, source, size_bytes=size_bytes, filed_at=filed_at)
    return ListedDocument(
        document_id,
        FIRST_DEGREE.key,
        name="um.pdf",
        binary_href=f"/processos/0/documentos/{document_id}/binario",
        declared_size_bytes=size_bytes,
        filed_at=filed_at,
        origin_id="1",
        sources=(origin,),
    )


async def record_listing(catalog: Catalog, number: str, *documents: ListedDocument, hour: int = 0) -> None:
    """Record a listing of these documents."""
    await catalog.listings.record(listing_of(number, list(documents), hour=hour))


async def mark_stored(
    catalog: Catalog, number: str, document_id: str, digest: str = "a", version: int = 1
) -> StoredObject:
    """Record that the content is stored, and return the object."""
    stored = replace(
        stored_object(number, document_id), sha256=digest * 64, key=f"{number}/{document_id}-{version}"
    )
    await catalog.documents.mark_available(number, document_id, stored, version=version)
    return stored


@pytest.mark.parametrize(
    ("size_bytes", "filed_at"),
    [(564, FILED), (548, FILED + timedelta(days=30)), (564, FILED + timedelta(days=30))],
    ids=["size", "date", "both"],
)
async def test_another_size_or_date_from_the_same_source_is_a_new_version(
    catalog: Catalog, number: str, size_bytes: int, filed_at: datetime
) -> None:
    [document_id] = document_ids(1)
    await record_listing(catalog, number, listed(document_id))
    first = await mark_stored(catalog, number, document_id)

    await record_listing(catalog, number, listed(document_id, size_bytes, filed_at), hour=1)

    document = await catalog.documents.get(number, document_id)
    assert document is not None
    assert (document.status, document.version, document.stored) == (DocumentStatus.PENDING, 2, None)
    [former] = document.versions
    assert (former.version, former.stored, former.filed_at) == (1, first, FILED)
    source = await catalog.documents.get_source(number, document_id)
    assert source is not None
    assert source.version == 2
    assert [each for each, _ in await catalog.documents.list_pending(number, after=0, limit=9)] == [document_id]
    second = await mark_stored(catalog, number, document_id, "b", version=2)
    document = await catalog.documents.get(number, document_id)
    assert document is not None
    assert (document.stored, len(document.versions)) == (second, 1)


@pytest.mark.parametrize(("size_bytes", "filed_at"), [(548, FILED), (None, FILED), (548, None), (None, None)])
async def test_the_same_or_missing_values_are_no_new_version(
    catalog: Catalog, number: str, size_bytes: int | None, filed_at: datetime | None
) -> None:
    [document_id] = document_ids(1)
    await record_listing(catalog, number, listed(document_id))
    await mark_stored(catalog, number, document_id)
    await record_listing(catalog, number, listed(document_id, size_bytes, filed_at), hour=1)
    document = await catalog.documents.get(number, document_id)
    assert document is not None
    assert (document.status, document.version) == (DocumentStatus.AVAILABLE, 1)


async def test_different_values_of_two_sources_are_no_new_version(catalog: Catalog, number: str) -> None:
    first, second = document_ids(2)
    mine, theirs = listed(first, 548, FILED, 45), listed(second, None, FILED + timedelta(hours=3), 46)
    both = replace(mine, sources=(*mine.sources, *theirs.sources))
    turned = replace(theirs, sources=(*theirs.sources, *mine.sources))
    await record_listing(catalog, number, both)
    await mark_stored(catalog, number, first)
    for hour, listing in enumerate((turned, both, turned), 1):
        await record_listing(catalog, number, listing, hour=hour)
        document = await catalog.documents.get(number, first)
        assert document is not None
        assert (document.status, document.version) == (DocumentStatus.AVAILABLE, 1)


async def test_the_same_bytes_are_no_former_version(catalog: Catalog, number: str) -> None:
    [document_id] = document_ids(1)
    await record_listing(catalog, number, listed(document_id))
    await mark_stored(catalog, number, document_id, "a")
    await record_listing(catalog, number, listed(document_id, filed_at=FILED + timedelta(days=30)), hour=1)
    await mark_stored(catalog, number, document_id, "a", version=2)
    document = await catalog.documents.get(number, document_id)
    assert document is not None
    assert (document.status, document.versions) == (DocumentStatus.AVAILABLE, ())


async def test_a_late_worker_does_not_store_the_old_version(catalog: Catalog, number: str) -> None:
    [document_id] = document_ids(1)
    await record_listing(catalog, number, listed(document_id))
    await mark_stored(catalog, number, document_id)
    await record_listing(catalog, number, listed(document_id, 564), hour=1)
    await mark_stored(catalog, number, document_id, "a", version=1)
    document = await catalog.documents.get(number, document_id)
    assert document is not None
    assert document.status is DocumentStatus.PENDING
