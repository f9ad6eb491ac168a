"""Document states in the catalog, and pages of documents."""

from __future__ import annotations

import asyncio
from uuid import uuid4

import pytest

from adapters.database import Catalog
from domain.completeness import Completeness
from domain.documents import DocumentStatus
from domain.errors import FailureCode
from domain.run_messages import RunOpening
from tests.support.listings import document_ids, listing_of, stored_object


async def record_listing(catalog: Catalog, number: str, count: int) -> list[str]:
    """Record a listing of ``count`` new documents and return their ids."""
    ids = document_ids(count)
    await catalog.listings.record(listing_of(number, ids))
    return ids


async def fail(
    catalog: Catalog, number: str, document_id: str, code: FailureCode = FailureCode.SEALED, attempts: int = 1
) -> int:
    """Record one failed attempt and return the count."""
    return await catalog.documents.record_failed_attempt(
        number, document_id, code, "HTTP 500", allowed_attempts=attempts
    )


async def get_status(catalog: Catalog, number: str, document_id: str) -> DocumentStatus:
    """Return the document's status in the catalog."""
    document = await catalog.documents.get(number, document_id)
    assert document is not None
    return document.status


async def test_a_stored_document_is_available_with_its_object(catalog: Catalog, number: str) -> None:
    [document_id] = await record_listing(catalog, number, 1)
    stored = stored_object(number, document_id, size_bytes=2**40)
    await catalog.documents.mark_available(number, document_id, stored)
    document = await catalog.documents.get(number, document_id)
    assert document is not None
    assert (document.status, document.stored, document.failure) == (DocumentStatus.AVAILABLE, stored, None)


async def test_the_last_allowed_attempt_makes_a_document_failed(catalog: Catalog, number: str) -> None:
    [document_id] = await record_listing(catalog, number, 1)
    seen = []
    for _ in range(5):
        attempts = await fail(catalog, number, document_id, FailureCode.TRUNCATED, attempts=5)
        seen.append((attempts, await get_status(catalog, number, document_id)))
    pending, failed = DocumentStatus.PENDING, DocumentStatus.FAILED
    assert seen == [(1, pending), (2, pending), (3, pending), (4, pending), (5, failed)]


async def test_a_failed_document_says_why(catalog: Catalog, number: str) -> None:
    [document_id] = await record_listing(catalog, number, 1)
    await fail(catalog, number, document_id, FailureCode.SEALED)
    document = await catalog.documents.get(number, document_id)
    assert document is not None
    assert document.failure is not None
    assert (document.failure.code, document.failure.answer) == (FailureCode.SEALED, "HTTP 500")
    assert (document.failure.attempts, document.failure.retryable) == (1, False)


async def test_concurrent_failed_attempts_are_all_counted(catalog: Catalog, number: str) -> None:
    [document_id] = await record_listing(catalog, number, 1)
    counts = await asyncio.gather(*(fail(catalog, number, document_id, attempts=100) for _ in range(10)))
    assert sorted(counts) == list(range(1, 11))


async def test_an_available_document_stays_available(catalog: Catalog, number: str) -> None:
    [document_id] = await record_listing(catalog, number, 1)
    await catalog.documents.mark_available(number, document_id, stored_object(number, document_id))
    assert await fail(catalog, number, document_id) == 0
    assert await catalog.documents.retry_failed(number) == 0
    assert await get_status(catalog, number, document_id) is DocumentStatus.AVAILABLE


async def test_storing_a_document_clears_its_failure(catalog: Catalog, number: str) -> None:
    [document_id] = await record_listing(catalog, number, 1)
    await fail(catalog, number, document_id, FailureCode.TRUNCATED)
    await catalog.documents.mark_available(number, document_id, stored_object(number, document_id))
    assert await catalog.processes.count_failures_by_code(number) == {}
    assert await catalog.processes.count_documents(number) == Completeness(available=1, available_bytes=1000)


@pytest.mark.parametrize("code", [code for code in FailureCode if code.scope == "document"])
async def test_a_retry_reopens_every_failure_and_a_new_run_only_retryable_ones(
    catalog: Catalog, number: str, code: FailureCode
) -> None:
    [document_id] = await record_listing(catalog, number, 1)
    await fail(catalog, number, document_id, code)
    await catalog.runs.open(RunOpening(number, str(uuid4()), "local"))
    assert (await catalog.processes.count_documents(number)).pending == int(code.retryable)
    await fail(catalog, number, document_id, code)
    assert await catalog.documents.retry_failed(number) == 1
    assert await get_status(catalog, number, document_id) is DocumentStatus.PENDING


async def test_a_retried_document_has_all_its_attempts_again(catalog: Catalog, number: str) -> None:
    [document_id] = await record_listing(catalog, number, 1)
    for _ in range(5):
        await fail(catalog, number, document_id, FailureCode.TRUNCATED, attempts=5)
    await catalog.documents.retry_failed(number)
    source = await catalog.documents.get_source(number, document_id)
    assert source is not None
    assert (source.status, source.failed_attempts) == (DocumentStatus.PENDING, 0)
    assert await fail(catalog, number, document_id, FailureCode.TRUNCATED, attempts=5) == 1


async def test_documents_are_counted_by_status_and_failure(catalog: Catalog, number: str) -> None:
    ids = await record_listing(catalog, number, 7)
    for document_id in ids[:2]:
        await catalog.documents.mark_available(number, document_id, stored_object(number, document_id))
    await fail(catalog, number, ids[2], FailureCode.SEALED)
    await fail(catalog, number, ids[3], FailureCode.TRUNCATED)
    await fail(catalog, number, ids[4], FailureCode.TRUNCATED)
    await fail(catalog, number, ids[5], FailureCode.TRUNCATED, attempts=2)
    assert await catalog.processes.count_documents(number) == Completeness(
        available=2, pending=2, failed_for_good=1, failed_retryable=2, available_bytes=2000
    )
    assert await catalog.processes.count_failures_by_code(number) == {"sealed": 1, "truncated": 2}


async def test_an_unknown_process_counts_nothing(catalog: Catalog, number: str) -> None:
    assert await catalog.processes.count_documents(number) == Completeness()
    assert await catalog.processes.get(number) is None
    assert await catalog.documents.page(number, limit=10) == []


async def test_an_unknown_document_is_none(catalog: Catalog, number: str) -> None:
    [known] = await record_listing(catalog, number, 1)
    [unknown] = document_ids(1)
    assert await catalog.documents.get(number, unknown) is None
    assert await catalog.documents.get_source(number, unknown) is None
    assert await catalog.documents.get("0000001-39.2024.8.26.0100", known) is None


async def test_pages_follow_each_other_without_gap_or_overlap(catalog: Catalog, number: str) -> None:
    ids = await record_listing(catalog, number, 25)
    seen: list[str] = []
    after = 0
    while page := await catalog.documents.page(number, after=after, limit=10):
        assert len(page) <= 10
        seen += [document.id for document in page]
        after = page[-1].position
    assert seen == ids


async def test_documents_listed_between_two_pages_do_not_shift_the_next_page(catalog: Catalog, number: str) -> None:
    ids, new = await record_listing(catalog, number, 10), document_ids(5)
    first = await catalog.documents.page(number, limit=6)
    await catalog.listings.record(listing_of(number, [*new, *ids], hour=1))
    rest = await catalog.documents.page(number, after=first[-1].position, limit=100)
    assert [document.id for document in [*first, *rest]] == [*ids, *new]


async def test_pages_are_filtered_by_status(catalog: Catalog, number: str) -> None:
    ids = await record_listing(catalog, number, 6)
    await catalog.documents.mark_available(number, ids[1], stored_object(number, ids[1]))
    await fail(catalog, number, ids[4])
    found = {
        status: [document.id for document in await catalog.documents.page(number, limit=10, status=status)]
        for status in DocumentStatus
    }
    assert found == {
        DocumentStatus.AVAILABLE: [ids[1]],
        DocumentStatus.FAILED: [ids[4]],
        DocumentStatus.PENDING: [ids[0], ids[2], ids[3], ids[5]],
    }


async def test_pending_documents_are_listed_in_order_after_a_position(catalog: Catalog, number: str) -> None:
    ids = await record_listing(catalog, number, 6)
    await catalog.documents.mark_available(number, ids[3], stored_object(number, ids[3]))
    assert await catalog.documents.list_pending(number, after=2, limit=2) == [(ids[2], 3), (ids[4], 5)]
    assert await catalog.documents.list_pending(number, after=6, limit=2) == []


async def test_a_source_holds_what_a_download_needs(catalog: Catalog, number: str) -> None:
    [document_id] = await record_listing(catalog, number, 1)
    source = await catalog.documents.get_source(number, document_id)
    assert source is not None
    assert (source.id, source.position, source.status) == (document_id, 1, DocumentStatus.PENDING)
    assert source.offers[0].href == f"/processos/0/documentos/{document_id}/binario"
