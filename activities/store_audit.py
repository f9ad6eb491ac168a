"""The audit itself: examines what the lists make suspicious, and repairs what was found.

Used by the activities of the schedule and by `autos audit`, so nothing here needs Temporal.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING

import structlog

from domain.audit import (
    AuditedDocument,
    FindingKind,
    ListedObject,
    ListedUpload,
    Pair,
    StoredContent,
    compare,
    document_of_key,
    is_leftover,
    is_old,
    is_orphan,
    is_sampled,
    join,
)
from domain.audit_messages import (
    AuditCounts,
    AuditCursor,
    AuditPart,
    AuditPartResult,
    Finding,
    Repair,
    RepairState,
)
from domain.errors import StorageFailure
from domain.storage import DOCUMENTS_PREFIX

if TYPE_CHECKING:
    from adapters.database.audits import AuditRepository
    from adapters.storage.bucket_listing import BucketListing

# Leaves most of a store's and a network's capacity to downloads.
BYTES_PER_SECOND = 64 * 1024**2
# A part ends after so many rows and objects, or so much time.
_PART_ITEMS = 5_000
_PART_SECONDS = 60.0
_READ_ATTEMPTS = 2
# So many objects in a row that cannot be read are the store's failure, not the objects'.
_UNREADABLE_IN_A_ROW = 10

_log = structlog.get_logger()


class StoreAuditor:
    """Compares the catalog with the bucket, a part at a time, and repairs findings one by one.

    Args:
        rows: The catalog.
        bucket: The bucket.
        bytes_per_second: How fast objects are read.
        part_items: After how many rows and objects a part ends.
    """

    def __init__(
        self,
        rows: AuditRepository,
        bucket: BucketListing,
        *,
        bytes_per_second: float = BYTES_PER_SECOND,
        part_items: int = _PART_ITEMS,
    ) -> None:
        self._rows = rows
        self._bucket = bucket
        self._bytes_per_second = bytes_per_second
        self._part_items = part_items
        self._next_read_at = 0.0

    async def scan(self, part: AuditPart) -> AuditPartResult:
        """Compare the next rows and objects.

        Raises:
            StorageFailure: The store does not list, or returns no objects.
            DependencyUnavailable: The database does not answer.
        """
        scan = _PartScan(self, self._bucket, self._rows, part)
        prefix, cursor = prefix_of(part.process_number), part.cursor
        rows = self._rows.iterate(after=(cursor.after_number, cursor.after_id), process_number=part.process_number)
        objects = self._bucket.list_objects(prefix, after=cursor.after_key)
        ends_at = time.monotonic() + _PART_SECONDS
        async with aclosing(rows), aclosing(objects), aclosing(join(rows, objects)) as pairs:
            async for pair in pairs:
                cursor = _advance(cursor, pair)
                await scan.examine(pair)
                if scan.items >= self._part_items or time.monotonic() >= ends_at:
                    return scan.result(cursor)
        return scan.result(None)

    async def find_uploads(self, process_number: str | None = None, *, findings_left: int) -> AuditPartResult:
        """Find the uploads in parts that nobody continues.

        Args:
            process_number: The one process to audit. None means all.
            findings_left: How many are wanted in detail. More are only counted.

        Raises:
            StorageFailure: The store refused or lost a request.
        """
        amount, findings = 0, list[Finding]()
        async for upload in self._bucket.list_uploads(prefix_of(process_number)):
            if is_leftover(upload, now=self._bucket.now):
                amount += 1
                if amount <= findings_left:
                    detail = f"begun {upload.started_at:%Y-%m-%d}"
                    findings.append(_finding(FindingKind.LEFTOVER_UPLOAD, upload.key, detail, upload.upload_id))
        counts = AuditCounts(found={FindingKind.LEFTOVER_UPLOAD: amount})
        return AuditPartResult(None, counts, tuple(findings))

    async def repair(self, findings: Sequence[Finding]) -> list[Repair]:
        """Repair findings, each of which is examined again before. Repeated, it does nothing more.

        Missing and damaged documents become pending. Orphans that are older than a day are deleted, and leftover
        uploads aborted.

        Raises:
            StorageFailure: The store refused or lost a request.
            DependencyUnavailable: The database does not answer.
        """
        return [await self._repair(finding) for finding in findings]

    async def examine_content(self, content: StoredContent, *, read: bool) -> tuple[FindingKind, str] | None:
        """Return what is wrong with a content's object, and the details. None if nothing is.

        Args:
            content: The content.
            read: Whether to read its bytes.
        """
        listed = await self._bucket.find(content.key)
        if listed is None:
            return FindingKind.MISSING, ""
        if listed.size_bytes != content.size_bytes:
            return FindingKind.WRONG_SIZE, f"{listed.size_bytes} bytes instead of {content.size_bytes}"
        return await self._examine_bytes(content) if read else None

    async def _examine_bytes(self, content: StoredContent) -> tuple[FindingKind, str] | None:
        wrong: tuple[FindingKind, str] | None = None
        # Twice: what was damaged on the way is not damaged in the store.
        for _ in range(_READ_ATTEMPTS):
            try:
                found = await self._bucket.digest(content.key, self._pace)
            except StorageFailure as failure:
                # Raises if it is the store that fails.
                if await self._bucket.find(content.key) is None:
                    return FindingKind.MISSING, ""
                wrong = FindingKind.UNREADABLE, str(failure)
                continue
            if found is None:
                return FindingKind.MISSING, ""
            size_bytes, sha256 = found
            if sha256 == content.sha256:
                return None
            if size_bytes != content.size_bytes:
                wrong = FindingKind.WRONG_SIZE, f"{size_bytes} bytes instead of {content.size_bytes}"
            else:
                wrong = FindingKind.WRONG_HASH, f"SHA-256 {sha256[:12]}… instead of {content.sha256[:12]}…"
        return wrong

    async def _pace(self, size_bytes: int) -> None:
        now = time.monotonic()
        self._next_read_at = max(self._next_read_at, now) + size_bytes / self._bytes_per_second
        await asyncio.sleep(self._next_read_at - now)

    async def get_document(self, key: str) -> AuditedDocument | None:
        """Return the document that an object's key names, as it is now. None if there is none."""
        owner = document_of_key(key)
        return await self._rows.get(*owner) if owner else None

    async def is_being_erased(self, key: str) -> bool:
        """Return whether the process that an object's key names is being erased."""
        owner = document_of_key(key)
        return owner is not None and await self._rows.is_being_erased(owner[0])

    async def _repair(self, finding: Finding) -> Repair:
        match finding.kind:
            case FindingKind.LEFTOVER_UPLOAD:
                upload = ListedUpload(finding.key, finding.upload_id, self._bucket.now)
                gone = not await self._bucket.abort(upload)
                return Repair(finding, RepairState.RESOLVED if gone else RepairState.REPAIRED)
            case FindingKind.ORPHAN:
                return await self._remove_orphan(finding)
            case FindingKind.LOST:
                return Repair(finding, RepairState.KEPT, "the court does not offer it any more: restore a backup")
            case FindingKind.UNREADABLE:
                return Repair(finding, RepairState.KEPT, "the store has to return it, or to delete it")
            case _:
                return await self._reopen(finding)

    async def _remove_orphan(self, finding: Finding) -> Repair:
        listed = await self._bucket.find(finding.key)
        if listed is None:
            return Repair(finding, RepairState.RESOLVED)
        document = await self.get_document(finding.key)
        now = self._bucket.now
        if not is_orphan(listed, document, now=now):
            return Repair(finding, RepairState.RESOLVED)
        if not is_old(listed, now=now):
            return Repair(finding, RepairState.KEPT, "younger than a day: left alone")
        if not await self._bucket.delete(finding.key):
            return Repair(finding, RepairState.KEPT, "the key may not delete: allow it s3:DeleteObject")
        _log.warning("orphan deleted", key=finding.key, bytes=listed.size_bytes)
        # If a run has recorded it in this moment, its document is missing.
        await self._reopen(finding)
        return Repair(finding, RepairState.REPAIRED)

    async def _reopen(self, finding: Finding) -> Repair:
        document = await self.get_document(finding.key)
        content = document.content(finding.key) if document else None
        if document is None or content is None:
            return Repair(finding, RepairState.RESOLVED)
        wrong = await self.examine_content(content, read=finding.kind is FindingKind.WRONG_HASH)
        if wrong is None:
            return Repair(finding, RepairState.RESOLVED)
        if not content.restorable or wrong[0] is FindingKind.UNREADABLE:
            kind = FindingKind.UNREADABLE if wrong[0] is FindingKind.UNREADABLE else FindingKind.LOST
            return await self._repair(replace(finding, kind=kind))
        note = ""
        # While the row says that the document is available, no run writes this object. It is deleted first, so that
        # links that were handed out stop leading to wrong bytes, and no run takes it for its own earlier work.
        if wrong[0] is not FindingKind.MISSING and not await self._bucket.delete(content.key):
            note = "the damaged object stays: the key lacks s3:DeleteObject"
        if not await self._rows.reopen(document, content):
            # Another audit was faster, and a run has stored it again: that may be what was deleted just now.
            return await self._reopen(finding)
        _log.warning(
            "document pending again", process=document.process_number, document=document.id, found=wrong[0]
        )
        return Repair(finding, RepairState.REPAIRED, note)


class _PartScan:
    """Counts and findings of one part, while it is scanned."""

    def __init__(
        self, auditor: StoreAuditor, bucket: BucketListing, rows: AuditRepository, part: AuditPart
    ) -> None:
        self.items = 0
        self._auditor = auditor
        self._bucket = bucket
        self._rows = rows
        self._part = part
        self._counts = AuditCounts()
        self._found: Counter[FindingKind] = Counter()
        self._findings: list[Finding] = []
        self._unreadable_in_a_row = 0

    def result(self, following: AuditCursor | None) -> AuditPartResult:
        """Return what was found."""
        return AuditPartResult(following, replace(self._counts, found=dict(self._found)), tuple(self._findings))

    async def examine(self, pair: Pair) -> None:
        """Count a pair, and examine what is suspicious about it."""
        comparison = compare(pair)
        contents = len(pair.document.contents) if pair.document else 0
        self.items += (pair.document is not None) + len(pair.objects)
        self._counts = replace(
            self._counts,
            contents=self._counts.contents + contents,
            objects=self._counts.objects + len(pair.objects),
        )
        for content in comparison.suspects:
            await self._examine_content(content, read=False)
        for content in comparison.present:
            if self._is_to_read(content):
                self._counts = replace(
                    self._counts,
                    objects_read=self._counts.objects_read + 1,
                    bytes_read=self._counts.bytes_read + content.size_bytes,
                )
                await self._examine_content(content, read=True)
        for listed in comparison.strays:
            await self._examine_stray(listed)

    def _is_to_read(self, content: StoredContent) -> bool:
        left = self._part.bytes_left
        if left is not None and self._counts.bytes_read + content.size_bytes > left:
            return False
        return is_sampled(content.key, seed=self._part.seed, share=self._part.share)

    @property
    def _details_wanted(self) -> bool:
        return len(self._findings) < self._part.findings_left

    async def _examine_content(self, content: StoredContent, *, read: bool) -> None:
        if not self._details_wanted and not read:
            # Too many to examine each: the bucket is probably another one.
            self._found[FindingKind.MISSING] += 1
            return
        wrong = await self._auditor.examine_content(content, read=read)
        if wrong is None:
            self._unreadable_in_a_row = 0
            return
        self._unreadable_in_a_row = self._unreadable_in_a_row + 1 if wrong[0] is FindingKind.UNREADABLE else 0
        if self._unreadable_in_a_row >= _UNREADABLE_IN_A_ROW:
            raise StorageFailure(f"The store returns no objects. {wrong[1]}")
        # Asked before the row is read again: an erasure that ends in between leaves no row.
        if await self._auditor.is_being_erased(content.key):
            return
        # The row was read earlier. A run may have stored it again, and a listing may have replaced it.
        document = await self._auditor.get_document(content.key)
        current = document.content(content.key) if document else None
        if current is None or current.stored_at != content.stored_at:
            return
        kind, detail = wrong
        if kind is not FindingKind.UNREADABLE and not current.restorable:
            kind, detail = FindingKind.LOST, f"{kind}{f': {detail}' if detail else ''}"
        self._add(_finding(kind, content.key, detail))

    async def _examine_stray(self, listed: ListedObject) -> None:
        if not self._details_wanted:
            self._found[FindingKind.ORPHAN] += 1
            return
        # The rows were read before this object was listed.
        document = await self._auditor.get_document(listed.key)
        if not is_orphan(listed, document, now=self._bucket.now) or await self._auditor.is_being_erased(listed.key):
            return
        # A page of the list is a minute old at its end.
        if await self._bucket.find(listed.key) is not None:
            detail = f"{listed.size_bytes} bytes, of {listed.modified_at:%Y-%m-%d}"
            self._add(_finding(FindingKind.ORPHAN, listed.key, detail))

    def _add(self, finding: Finding) -> None:
        self._found[finding.kind] += 1
        if self._details_wanted:
            self._findings.append(finding)


def prefix_of(process_number: str | None) -> str:
    """Return the prefix of a process's objects. None means all processes."""
    return DOCUMENTS_PREFIX if process_number is None else f"{DOCUMENTS_PREFIX}{process_number}/"


def _advance(cursor: AuditCursor, pair: Pair) -> AuditCursor:
    if pair.objects:
        cursor = replace(cursor, after_key=pair.objects[-1].key)
    if pair.document:
        cursor = replace(cursor, after_number=pair.document.process_number, after_id=pair.document.id)
    return cursor


def _finding(kind: FindingKind, key: str, detail: str = "", upload_id: str = "") -> Finding:
    number, document_id = document_of_key(key) or (None, None)
    return Finding(kind, key, number, document_id, detail, upload_id)
