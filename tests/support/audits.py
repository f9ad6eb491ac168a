"""A catalog and a bucket of their own, filled with documents, for tests of the audit."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from math import inf
from typing import TYPE_CHECKING

from activities.store_audit import StoreAuditor
from adapters.database import Catalog
from adapters.storage import ObjectStore, open_s3
from adapters.storage.bucket_listing import BucketListing
from domain.audit import LEFTOVER_AGE, FindingKind
from domain.audit_messages import AuditCounts, AuditCursor, AuditPart, Finding
from domain.documents import StoredObject
from domain.storage import StorageAddress, object_prefix
from tests.support.contents import content_of, pdf_of
from tests.support.listings import document_ids, listing_of
from tests.support.numbers import fresh_number

if TYPE_CHECKING:
    from types_aiobotocore_s3.client import S3Client


class LaterListing(BucketListing):
    """The bucket as it is listed some days later: what is in it now is old by then."""

    @property
    def now(self) -> datetime:
        """The later time."""
        return super().now + LEFTOVER_AGE + timedelta(minutes=1)


@dataclass
class AuditedPlace:
    """What an audit compares.

    Attributes:
        store: Our store on the bucket.
        client: A client of the bucket, to damage it.
        bucket: Lists it. `later` does so as if days had gone by.
    """

    catalog: Catalog
    address: StorageAddress
    store: ObjectStore
    client: S3Client
    bucket: BucketListing
    later: LaterListing

    async def stock(self, documents: int, *, size_bytes: int = 2_000) -> tuple[str, list[StoredObject]]:
        """Store a process with this many documents, and return its number and its objects."""
        number, ids = fresh_number(), document_ids(documents)
        await self.catalog.listings.record(listing_of(number, ids))
        return number, [
            await self.store_document(number, document_id, size_bytes=size_bytes) for document_id in ids
        ]

    async def store_document(
        self, number: str, document_id: str, *, size_bytes: int = 2_000, version: int = 1
    ) -> StoredObject:
        """Store a document's bytes and record it, as a download does."""
        stored = await self.store.store(
            object_prefix(number, document_id, version),
            "a name",
            content_of(pdf_of(size_bytes)),
            lambda _: "application/pdf",
        )
        await self.catalog.documents.mark_available(number, document_id, stored, version=version)
        return stored

    async def put(self, key: str, body: bytes) -> None:
        """Put an object past the service."""
        await self.client.put_object(Bucket=self.address.bucket, Key=key, Body=body)

    async def read(self, key: str) -> bytes:
        """Return an object's bytes."""
        response = await self.client.get_object(Bucket=self.address.bucket, Key=key)
        async with response["Body"] as body:
            return await body.read()

    async def delete(self, key: str) -> None:
        """Delete an object past the service."""
        await self.client.delete_object(Bucket=self.address.bucket, Key=key)

    async def flip(self, key: str) -> None:
        """Change one byte of an object."""
        body = bytearray(await self.read(key))
        body[len(body) // 2] ^= 1
        await self.put(key, bytes(body))

    async def list_keys(self) -> set[str]:
        """Return the keys of all objects."""
        listed = await self.client.list_objects_v2(Bucket=self.address.bucket)
        return {item["Key"] for item in listed.get("Contents", [])}

    def auditor(self, *, later: bool = False, part_items: int = 5_000) -> StoreAuditor:
        """Return an auditor of this place."""
        return StoreAuditor(
            self.catalog.audits,
            self.later if later else self.bucket,
            bytes_per_second=inf,
            part_items=part_items,
        )


FULL_AUDIT = AuditPart(AuditCursor(), "seed", 1.0, None, 1_000)


async def audit_all(auditor: StoreAuditor, part: AuditPart = FULL_AUDIT) -> tuple[AuditCounts, list[Finding]]:
    """Audit part by part to the end, as the workflow does. Returns the counts and the findings."""
    counts, findings = AuditCounts(), list[Finding]()
    cursor: AuditCursor | None = part.cursor
    while cursor is not None:
        result = await auditor.scan(replace(part, cursor=cursor))
        cursor, counts = result.following, counts.plus(result.counts)
        findings += result.findings
    uploads = await auditor.find_uploads(part.process_number, findings_left=part.findings_left)
    return counts, [*findings, *uploads.findings]


def by_kind(findings: list[Finding]) -> dict[FindingKind, list[str]]:
    """Return the keys of the findings by kind, sorted."""
    kinds: dict[FindingKind, list[str]] = {}
    for finding in findings:
        kinds.setdefault(finding.kind, []).append(finding.key)
    return {kind: sorted(keys) for kind, keys in kinds.items()}


@asynccontextmanager
async def audited_place(catalog: Catalog, s3: StorageAddress, name: str) -> AsyncIterator[AuditedPlace]:
    """Make a bucket of its own for a catalog of its own."""
    address = replace(s3, bucket=f"audit-{hashlib.sha256(name.encode()).hexdigest()[:12]}")
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(open_s3(address))
        await client.create_bucket(Bucket=address.bucket)
        yield AuditedPlace(
            catalog,
            address,
            await ObjectStore.open(stack, address),
            client,
            await BucketListing.open(stack, address),
            await LaterListing.open(stack, address),
        )
