"""The audit finds what is missing, damaged and left over, and repairs it. On real stores and both databases."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from activities.store_audit import StoreAuditor
from adapters.database import Catalog, Database
from adapters.database.migrate import upgrade
from adapters.storage.bucket_listing import BucketListing
from domain.audit import FindingKind, ListedObject, describe_bulk_damage
from domain.audit_messages import AuditCounts, AuditRecord, RepairState
from domain.documents import DocumentStatus, StoredObject
from domain.erasure import Author
from domain.errors import StorageFailure
from domain.listings import DocumentOrigin, ListedDocument
from domain.storage import PROBE_PREFIX, WRITE_CHECK_KEY, StorageAddress, object_prefix
from tests.integration.adapters.conftest import NewDatabase
from tests.support.audits import FULL_AUDIT, AuditedPlace, LaterListing, audit_all, audited_place, by_kind
from tests.support.contents import pdf_of
from tests.support.listings import document_ids, listed, listing_of
from tests.support.numbers import fresh_number
from tests.support.store_proxy import Refusal, Rule, StoreRequest, store_proxy

pytestmark = pytest.mark.thorough


@pytest.fixture
async def place(new_database: NewDatabase, s3: StorageAddress) -> AsyncIterator[AuditedPlace]:
    """A catalog and a bucket that hold nothing else."""
    url = await new_database()
    await asyncio.to_thread(upgrade, url)
    catalog = Catalog(Database(url))
    async with audited_place(catalog, s3, f"{url} {uuid4()}") as place:
        yield place
    await catalog.close()


@asynccontextmanager
async def auditor_through(place: AuditedPlace, rule: Rule) -> AsyncIterator[StoreAuditor]:
    """Open an auditor whose store applies a rule to each request."""
    with store_proxy(place.address) as proxy:
        proxy.rule = rule
        async with AsyncExitStack() as stack:
            bucket = await BucketListing.open(stack, replace(place.address, endpoint_url=proxy.url))
            yield StoreAuditor(place.catalog.audits, bucket)


async def read_status(place: AuditedPlace, number: str, document_id: str) -> DocumentStatus:
    """Return a document's status."""
    document = await place.catalog.documents.get(number, document_id)
    assert document is not None
    return document.status


@pytest.mark.parametrize("part_items", [1, 5_000])
async def test_everything_is_found_and_repaired_and_the_next_audit_finds_nothing(
    place: AuditedPlace, part_items: int
) -> None:
    number, stored = await place.stock(6)
    await place.store.check_write()
    deleted, flipped, truncated, *intact = (each.key for each in stored)
    await place.delete(deleted)
    await place.flip(flipped)
    await place.put(truncated, (await place.read(truncated))[:-1])
    orphan = f"{object_prefix(fresh_number(), str(uuid4()))}.pdf"
    strange, probe = "processes/strange/file", f"{PROBE_PREFIX}left"
    for key in (orphan, strange, probe, "elsewhere/not-ours.pdf"):
        await place.put(key, b"bytes")
    upload_key = f"{object_prefix(number, str(uuid4()))}.pdf"
    await place.client.create_multipart_upload(Bucket=place.address.bucket, Key=upload_key)
    auditor = place.auditor(later=True, part_items=part_items)

    counts, findings = await audit_all(auditor)

    assert by_kind(findings) == {
        FindingKind.MISSING: [deleted],
        FindingKind.WRONG_HASH: [flipped],
        FindingKind.WRONG_SIZE: [truncated],
        FindingKind.ORPHAN: sorted([orphan, strange, probe]),
        FindingKind.LEFTOVER_UPLOAD: [upload_key],
    }
    # The rows, and the objects with the write check's own.
    assert (counts.contents, counts.objects, counts.objects_read) == (6, 5 + 4, 4)
    repairs = await auditor.repair(findings)
    assert {repair.state for repair in repairs} == {RepairState.REPAIRED}
    assert await place.list_keys() == {*intact, WRITE_CHECK_KEY, "elsewhere/not-ours.pdf"}
    statuses = [await read_status(place, number, each.key.split("/")[2][:36]) for each in stored]
    assert statuses == [DocumentStatus.PENDING] * 3 + [DocumentStatus.AVAILABLE] * 3
    documents = await place.catalog.processes.count_documents(number)
    assert (documents.pending, documents.available, documents.complete) == (3, 3, False)

    assert (await audit_all(auditor))[1] == []
    # A repair that is repeated does nothing more. This store accepts the id of an aborted upload again.
    again = [finding for finding in findings if finding.kind is not FindingKind.LEFTOVER_UPLOAD]
    assert {repair.state for repair in await auditor.repair(again)} == {RepairState.RESOLVED}


async def test_a_document_that_is_downloaded_again_is_available_and_the_audit_is_clean(place: AuditedPlace) -> None:
    number, [stored] = await place.stock(1)
    await place.flip(stored.key)
    auditor = place.auditor()
    await auditor.repair((await audit_all(auditor))[1])
    document_id = stored.key.split("/")[2][:36]
    again = await place.store_document(number, document_id)
    assert again == stored
    assert await place.read(stored.key) == pdf_of(2_000)
    counts, findings = await audit_all(auditor)
    assert (counts.contents, counts.objects_read, findings) == (1, 1, [])


async def test_what_a_running_download_has_stored_is_not_reported(place: AuditedPlace) -> None:
    number, ids = fresh_number(), document_ids(2)
    await place.catalog.listings.record(listing_of(number, ids))
    # Stored, and not yet recorded.
    await place.put(f"{object_prefix(number, ids[0])}.pdf", pdf_of(500))
    await place.client.create_multipart_upload(
        Bucket=place.address.bucket, Key=f"{object_prefix(number, ids[1])}.pdf"
    )
    assert (await audit_all(place.auditor()))[1] == []


async def test_a_young_orphan_is_reported_and_left_alone(place: AuditedPlace) -> None:
    orphan = f"{object_prefix(fresh_number(), str(uuid4()))}.pdf"
    await place.put(orphan, b"bytes")
    auditor = place.auditor()
    _, findings = await audit_all(auditor)
    assert by_kind(findings) == {FindingKind.ORPHAN: [orphan]}
    [repair] = await auditor.repair(findings)
    assert repair.state is RepairState.KEPT
    assert "younger than a day" in repair.note
    assert await place.list_keys() == {orphan}


async def test_an_orphan_that_a_run_has_recorded_meanwhile_is_kept(place: AuditedPlace) -> None:
    number, ids = fresh_number(), document_ids(1)
    await place.catalog.listings.record(listing_of(number, ids))
    key = f"{object_prefix(number, ids[0])}.pdf"
    await place.put(key, b"bytes")
    auditor = place.auditor(later=True)
    _, findings = await audit_all(auditor)
    assert by_kind(findings) == {FindingKind.ORPHAN: [key]}
    await place.store_document(number, ids[0])
    assert [repair.state for repair in await auditor.repair(findings)] == [RepairState.RESOLVED]
    assert await place.list_keys() == {key}


async def test_a_document_that_a_run_has_stored_again_is_not_reopened(place: AuditedPlace) -> None:
    number, [stored] = await place.stock(1)
    document_id = stored.key.split("/")[2][:36]
    before = await place.catalog.audits.get(number, document_id)
    assert before is not None
    await place.store_document(number, document_id)
    # Same key and bytes: only the time tells that it was stored again.
    assert not await place.catalog.audits.reopen(before, before.contents[0])
    assert await read_status(place, number, document_id) is DocumentStatus.AVAILABLE


class LateDeletion(LaterListing):
    """The bucket, whose first deletion is slow: much happens before it arrives."""

    def __init__(self, place: AuditedPlace, meanwhile: Callable[[], Awaitable[object]]) -> None:
        super().__init__(place.client, place.address)
        self._meanwhile: Callable[[], Awaitable[object]] | None = meanwhile

    async def delete(self, key: str) -> bool:
        """Delete an object."""
        meanwhile, self._meanwhile = self._meanwhile, None
        if meanwhile is not None:
            await meanwhile()
        return await super().delete(key)


async def test_two_audits_at_once_leave_no_document_without_its_object(place: AuditedPlace) -> None:
    number, [stored, _] = await place.stock(2)
    document_id = stored.key.split("/")[2][:36]
    await place.flip(stored.key)
    _, findings = await audit_all(place.auditor())

    async def repair_and_download_again() -> None:
        await place.auditor().repair(findings)
        await place.store_document(number, document_id)

    slow = StoreAuditor(place.catalog.audits, LateDeletion(place, repair_and_download_again))
    await slow.repair(findings)

    assert stored.key not in await place.list_keys()
    assert await read_status(place, number, document_id) is DocumentStatus.PENDING


async def test_an_orphan_that_a_run_records_while_it_is_deleted_is_downloaded_again(place: AuditedPlace) -> None:
    number, [document_id] = fresh_number(), document_ids(1)
    await place.catalog.listings.record(listing_of(number, [document_id]))
    key = f"{object_prefix(number, document_id)}.pdf"
    await place.put(key, b"bytes")
    found = StoredObject(key, 5, "0" * 64, "application/pdf")
    slow = StoreAuditor(
        place.catalog.audits,
        LateDeletion(place, lambda: place.catalog.documents.mark_available(number, document_id, found, version=1)),
    )
    _, findings = await audit_all(slow)
    assert by_kind(findings) == {FindingKind.ORPHAN: [key]}
    await slow.repair(findings)
    assert await read_status(place, number, document_id) is DocumentStatus.PENDING


async def test_no_more_leftover_uploads_are_named_than_are_wanted_and_all_are_counted(place: AuditedPlace) -> None:
    for _ in range(3):
        await place.client.create_multipart_upload(
            Bucket=place.address.bucket, Key=f"{object_prefix(fresh_number(), str(uuid4()))}.pdf"
        )
    found = await place.auditor(later=True).find_uploads(findings_left=2)
    assert (found.counts.found, len(found.findings)) == ({FindingKind.LEFTOVER_UPLOAD: 3}, 2)


async def test_what_an_erasure_removes_is_neither_missing_nor_an_orphan(place: AuditedPlace) -> None:
    number, [first, second] = await place.stock(2)
    assert await place.catalog.erasures.request(number, Author("desk"), None)
    await place.delete(first.key)
    assert (await audit_all(place.auditor()))[1] == []
    await place.catalog.erased_rows.erase_all(number)
    assert (await audit_all(place.auditor()))[1] == []
    # What is left at its end is found.
    await place.catalog.erasures.complete(number)
    assert by_kind((await audit_all(place.auditor()))[1]) == {FindingKind.ORPHAN: [second.key]}


async def test_an_object_that_is_gone_since_it_was_listed_is_no_orphan(place: AuditedPlace) -> None:
    class Vanishing(BucketListing):
        async def list_objects(self, prefix: str, *, after: str = "") -> AsyncGenerator[ListedObject]:
            """Yield objects that somebody deletes in this moment."""
            async for item in super().list_objects(prefix, after=after):
                await place.delete(item.key)
                yield item

    await place.put(f"{object_prefix(fresh_number(), str(uuid4()))}.pdf", b"bytes")
    auditor = StoreAuditor(place.catalog.audits, Vanishing(place.client, place.address))
    assert (await audit_all(auditor))[1] == []


async def test_what_the_court_does_not_offer_any_more_is_lost_and_nothing_is_changed(place: AuditedPlace) -> None:
    number, ids = fresh_number(), document_ids(3)

    def sized(document_id: str, size_bytes: int) -> ListedDocument:
        origin = DocumentOrigin(document_id, size_bytes=size_bytes, binary_href="/x")
        return replace(listed(document_id), sources=(origin,))

    first = [sized(ids[0], 10), listed(ids[1]), listed(ids[2])]
    await place.catalog.listings.record(listing_of(number, first))
    stored = [await place.store_document(number, document_id) for document_id in ids]
    # The court replaces the first document, and withdraws the second.
    second = [sized(ids[0], 20), listed(ids[2])]
    await place.catalog.listings.record(listing_of(number, second, hour=1))
    current = await place.store_document(number, ids[0], size_bytes=3_000, version=2)
    await place.delete(stored[0].key)
    await place.flip(stored[1].key)
    auditor = place.auditor(later=True)

    counts, findings = await audit_all(auditor)

    assert counts.contents == 4
    assert by_kind(findings) == {FindingKind.LOST: sorted([stored[0].key, stored[1].key])}
    assert {finding.detail.split(":")[0] for finding in findings} == {"missing", "wrong_hash"}
    assert {repair.state for repair in await auditor.repair(findings)} == {RepairState.KEPT}
    assert await place.list_keys() == {current.key, stored[1].key, stored[2].key}
    assert [await read_status(place, number, each) for each in ids] == [DocumentStatus.AVAILABLE] * 3


async def test_the_sample_is_bounded_and_spread_and_differs_between_audits(place: AuditedPlace) -> None:
    numbers = [(await place.stock(8))[0] for _ in range(3)]
    assert len(set(numbers)) == 3
    auditor = place.auditor(part_items=4)
    half = replace(FULL_AUDIT, share=0.5)
    counts, _ = await audit_all(auditor, half)
    assert 0 < counts.objects_read < 24
    other, _ = await audit_all(auditor, replace(half, seed="another"))
    assert (counts.objects_read, counts.bytes_read) != (0, 0)
    assert other.contents == counts.contents == 24
    bounded = (await auditor.scan(replace(FULL_AUDIT, bytes_left=4_999))).counts
    assert bounded.bytes_read <= 4_999
    none, _ = await audit_all(auditor, replace(FULL_AUDIT, share=0.0))
    assert (none.objects_read, none.contents) == (0, 24)


async def test_one_process_alone_is_audited(place: AuditedPlace) -> None:
    number, [stored] = await place.stock(1)
    _, [other] = await place.stock(1)
    await place.delete(stored.key)
    await place.delete(other.key)
    counts, findings = await audit_all(place.auditor(), replace(FULL_AUDIT, process_number=number))
    assert counts.contents == 1
    assert by_kind(findings) == {FindingKind.MISSING: [stored.key]}


async def test_an_unreachable_or_refusing_store_ends_the_audit_and_finds_nothing(place: AuditedPlace) -> None:
    await place.stock(3)
    wrong = (
        replace(place.address, bucket="there-is-no-such-bucket"),
        replace(place.address, secret_access_key="wrong"),
        replace(place.address, endpoint_url="http://127.0.0.1:9"),
    )
    for address in wrong:
        async with AsyncExitStack() as stack:
            auditor = StoreAuditor(place.catalog.audits, await BucketListing.open(stack, address))
            with pytest.raises(StorageFailure):
                await auditor.scan(FULL_AUDIT)


async def test_a_list_that_fails_in_the_middle_ends_the_audit(
    place: AuditedPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapters.storage.bucket_listing._KEYS_PER_PAGE", 2)
    await place.stock(5)

    def fails_at_the_second_page(request: StoreRequest) -> Refusal | None:
        return Refusal(403, "AccessDenied") if "continuation-token" in request.query else None

    async with auditor_through(place, fails_at_the_second_page) as auditor:
        with pytest.raises(StorageFailure, match="AccessDenied"):
            await auditor.scan(FULL_AUDIT)


async def test_objects_that_the_store_does_not_return_are_unreadable_and_not_missing(place: AuditedPlace) -> None:
    _, stored = await place.stock(3)
    locked = stored[1].key

    def refuses_one(request: StoreRequest) -> Refusal | None:
        is_read = request.method == "GET" and request.path.endswith(locked)
        return Refusal(403, "InvalidObjectState") if is_read else None

    async with auditor_through(place, refuses_one) as auditor:
        _, findings = await audit_all(auditor)
        assert by_kind(findings) == {FindingKind.UNREADABLE: [locked]}
        assert [repair.state for repair in await auditor.repair(findings)] == [RepairState.KEPT]


async def test_a_key_that_may_not_delete_still_reopens_damaged_documents(place: AuditedPlace) -> None:
    number, [stored] = await place.stock(1)
    await place.flip(stored.key)

    def refuses_deletion(request: StoreRequest) -> Refusal | None:
        return Refusal(403, "AccessDenied") if request.method == "DELETE" else None

    async with auditor_through(place, refuses_deletion) as auditor:
        [repair] = await auditor.repair((await audit_all(auditor))[1])
    assert (repair.state, "s3:DeleteObject" in repair.note) == (RepairState.REPAIRED, True)
    assert await read_status(place, number, stored.key.split("/")[2][:36]) is DocumentStatus.PENDING


async def test_an_empty_bucket_is_not_repaired_unasked(place: AuditedPlace) -> None:
    _, stored = await place.stock(2)
    for each in stored:
        await place.delete(each.key)
    counts, _ = await audit_all(place.auditor())
    refusal = describe_bulk_damage(counts.found, contents=counts.contents, objects=counts.objects, whole=True)
    assert refusal is not None
    assert "bucket is empty" in refusal


async def test_a_bucket_with_nothing_but_the_write_check_is_not_repaired_unasked(place: AuditedPlace) -> None:
    _, stored = await place.stock(2)
    await place.store.check_write()
    for each in stored:
        await place.delete(each.key)
    counts, _ = await audit_all(place.auditor())
    refusal = describe_bulk_damage(counts.found, contents=counts.contents, objects=counts.objects, whole=True)
    assert refusal is not None
    assert "right bucket" in refusal


async def test_an_audit_by_a_clock_that_was_ahead_is_not_the_last_one(place: AuditedPlace) -> None:
    record = AuditRecord("now", datetime.now(UTC), AuditCounts(), {})
    await place.catalog.audits.record(record)
    ahead = replace(record, id="ahead", started_at=record.started_at + timedelta(days=365))
    await place.catalog.audits.record(ahead)
    assert (await place.catalog.audits.last() or ahead).id == "now"


async def test_the_last_audit_is_recorded_once(place: AuditedPlace) -> None:
    assert await place.catalog.audits.last() is None
    started_at = datetime.now(UTC) - timedelta(days=7)
    counts = AuditCounts(5, 4, 3, 2, {FindingKind.MISSING: 1, FindingKind.ORPHAN: 0})
    record = AuditRecord("first", started_at, counts, {FindingKind.MISSING: 1})
    await place.catalog.audits.record(record)
    await place.catalog.audits.record(replace(record, remaining={}))
    last = await place.catalog.audits.last()
    assert last == replace(record, counts=replace(counts, found={FindingKind.MISSING: 1}))
    later = replace(record, id="second", started_at=started_at + timedelta(days=7), remaining={})
    await place.catalog.audits.record(later)
    assert (await place.catalog.audits.last() or record).id == "second"
