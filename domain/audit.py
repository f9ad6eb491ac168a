"""The audit: what of the catalog and the bucket does not fit together. Pure rules; nothing here reads either."""

from __future__ import annotations

import hashlib
import re
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from domain.storage import DOCUMENTS_PREFIX, PROBE_PREFIX, WRITE_CHECK_KEY
from domain.text import counted

# No download lasts longer than a day. A younger object may be one whose row is not yet written.
ORPHAN_AGE = timedelta(days=1)
# The same for an upload in parts, with some time for clocks that differ.
LEFTOVER_AGE = timedelta(hours=26)
# More findings than this, and more than this share, look like the wrong bucket or the wrong database.
_BULK_FINDINGS = 100
_BULK_SHARE = 0.2

_DOCUMENT_KEY = re.compile(
    re.escape(DOCUMENTS_PREFIX)
    + r"(?P<number>\d{7}-\d\d\.\d{4}\.\d\.\d\d\.\d{4})/"
    + r"(?P<id>[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})(?:-v\d+)?\.[^/]+"
)


class FindingKind(StrEnum):
    """What an audit finds.

    MISSING: The catalog says that the document is available, and its object is gone.
    WRONG_SIZE: The object has another size than was stored.
    WRONG_HASH: The object has other bytes than were stored.
    LOST: One of the above, of a content that the court does not offer any more. Only a backup has it.
    UNREADABLE: The store lists the object but does not return it.
    ORPHAN: An object that the catalog does not know.
    LEFTOVER_UPLOAD: An upload in parts that nobody continues.
    """

    MISSING = "missing"
    WRONG_SIZE = "wrong_size"
    WRONG_HASH = "wrong_hash"
    LOST = "lost"
    UNREADABLE = "unreadable"
    ORPHAN = "orphan"
    LEFTOVER_UPLOAD = "leftover_upload"


DAMAGE = frozenset({FindingKind.MISSING, FindingKind.WRONG_SIZE, FindingKind.WRONG_HASH, FindingKind.LOST})


@dataclass(frozen=True, slots=True)
class StoredContent:
    """A content that the catalog says is stored: a document's current one, or a former version.

    Attributes:
        version: The number of the content within its document.
        restorable: The court still offers it, so it can be downloaded again.
    """

    key: str
    size_bytes: int
    sha256: str
    stored_at: datetime
    version: int
    restorable: bool


@dataclass(frozen=True, slots=True)
class AuditedDocument:
    """A document's row with all its contents. One that is not available has only former versions, or none."""

    process_number: str
    id: str
    contents: tuple[StoredContent, ...] = ()

    @property
    def group(self) -> str:
        """The place of its objects in the order of the bucket's keys."""
        return f"{DOCUMENTS_PREFIX}{self.process_number}/{self.id}"

    def content(self, key: str) -> StoredContent | None:
        """Return the content that is stored under a key. None if there is none."""
        return next((content for content in self.contents if content.key == key), None)


@dataclass(frozen=True, slots=True)
class ListedObject:
    """An object as the bucket lists it. ``modified_at`` is by the store's clock."""

    key: str
    size_bytes: int
    modified_at: datetime

    @property
    def group(self) -> str:
        """As for the document that it belongs to. Its key if it has the form of no document's key."""
        owner = document_of_key(self.key)
        return f"{DOCUMENTS_PREFIX}{owner[0]}/{owner[1]}" if owner else self.key


@dataclass(frozen=True, slots=True)
class ListedUpload:
    """An unfinished upload in parts. ``started_at`` is by the store's clock."""

    key: str
    upload_id: str
    started_at: datetime


@dataclass(frozen=True, slots=True)
class Pair:
    """A document with the objects under its keys, or an object alone whose document is not in the catalog."""

    document: AuditedDocument | None
    objects: tuple[ListedObject, ...] = ()


@dataclass(frozen=True, slots=True)
class Comparison:
    """What the lists alone say about a pair. Each suspicion is examined before it becomes a finding.

    Attributes:
        suspects: Contents whose object is not listed, or with another size.
        present: Contents whose object is listed with the right size.
        strays: Objects that no content needs.
    """

    suspects: tuple[StoredContent, ...]
    present: tuple[StoredContent, ...]
    strays: tuple[ListedObject, ...]


def document_of_key(key: str) -> tuple[str, str] | None:
    """Return the process number and the document's id in an object's key. None if it has another form."""
    match = _DOCUMENT_KEY.fullmatch(key)
    return (match["number"], match["id"]) if match else None


async def join(rows: AsyncIterator[AuditedDocument], objects: AsyncIterator[ListedObject]) -> AsyncGenerator[Pair]:
    """Yield every row with its objects, and every object without a row, in the order of their keys.

    Both streams are in this order, so that only one pair is in memory. If a store or a database orders otherwise,
    a row and its object may come in two pairs: that is a suspicion, and no finding yet.
    """
    row, listed = await anext(rows, None), await anext(objects, None)
    while row is not None or listed is not None:
        if row is None or (listed is not None and listed.group < row.group):
            assert listed is not None  # noqa: S101 - else the loop is over.
            yield Pair(None, (listed,))
            listed = await anext(objects, None)
            continue
        own = []
        while listed is not None and listed.group == row.group:
            own.append(listed)
            listed = await anext(objects, None)
        yield Pair(row, tuple(own))
        row = await anext(rows, None)


def compare(pair: Pair) -> Comparison:
    """Compare the catalog's and the bucket's side of a pair."""
    contents = pair.document.contents if pair.document else ()
    listed = {each.key: each for each in pair.objects}
    present = [
        content
        for content in contents
        if content.key in listed and listed[content.key].size_bytes == content.size_bytes
    ]
    known = {content.key for content in contents}
    return Comparison(
        suspects=tuple(content for content in contents if content not in present),
        present=tuple(present),
        strays=tuple(each for each in pair.objects if each.key not in known),
    )


def is_orphan(listed: ListedObject, document: AuditedDocument | None, *, now: datetime) -> bool:
    """Return whether nothing needs an object.

    A young object of a known document may be one that a run has stored and not yet recorded. Runs store nothing for
    documents that have no row.

    Args:
        listed: The object.
        document: The document that its key names. None if there is no such row.
        now: The time by the store's clock.
    """
    if listed.key == WRITE_CHECK_KEY:
        return False
    if document is not None and document.content(listed.key) is not None:
        return False
    may_be_in_use = document is not None or listed.key.startswith(PROBE_PREFIX)
    return not may_be_in_use or is_old(listed, now=now)


def is_old(listed: ListedObject, *, now: datetime) -> bool:
    """Return whether an object is older than any download lasts."""
    return now - listed.modified_at >= ORPHAN_AGE


def is_leftover(upload: ListedUpload, *, now: datetime) -> bool:
    """Return whether nobody continues an upload."""
    return now - upload.started_at >= LEFTOVER_AGE


def is_sampled(key: str, *, seed: str, share: float) -> bool:
    """Return whether the bytes of an object belong to the sample of this audit.

    The seed is the audit's own, so that over many audits every object has its turn.
    """
    digest = hashlib.sha256(f"{seed} {key}".encode()).digest()
    return int.from_bytes(digest[:8]) < share * 2**64


def describe_bulk_damage(
    found: Mapping[FindingKind, int], *, contents: int, objects: int, whole: bool
) -> str | None:
    """Return why so many findings should not be repaired unasked. None if they may be.

    Args:
        found: The findings by kind.
        contents: How many contents the catalog has.
        objects: How many objects the bucket lists.
        whole: The audit was of the whole bucket.
    """
    damaged = sum(found.get(kind, 0) for kind in DAMAGE)
    orphans = found.get(FindingKind.ORPHAN, 0)
    if whole and damaged and not objects:
        return f"The bucket is empty, and the catalog has {counted(contents, 'content')}: is it the right bucket?"
    gone = found.get(FindingKind.MISSING, 0) + found.get(FindingKind.LOST, 0)
    # The write check makes an object of its own in any bucket, so that no bucket of a running service is empty.
    if whole and gone and gone >= contents:
        return f"The bucket has none of the catalog's {counted(contents, 'content')}: is it the right bucket?"
    if whole and orphans and not contents:
        return (
            f"The catalog has no stored document, and the bucket has {counted(orphans, 'object')}: "
            "is it the right database?"
        )
    if damaged > _BULK_FINDINGS and damaged > _BULK_SHARE * contents:
        return f"{damaged} of {contents} contents are missing or damaged: is it the right bucket?"
    if orphans > _BULK_FINDINGS and orphans > _BULK_SHARE * objects:
        return f"{orphans} of {objects} objects are not in the catalog: is it the right bucket, the right database?"
    return None


def sample_share(budget_bytes: int, stored_bytes: int) -> float:
    """Return the share of the objects to read so that about ``budget_bytes`` are read."""
    return 1.0 if stored_bytes <= budget_bytes else budget_bytes / stored_bytes
