"""What a request for a bundle means: which documents belong to it, in which order, and what identifies it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum

from domain.brasilia import in_brasilia
from domain.bundle_contents import RECIPE_VERSION, OmissionReason, omitted_from_pdf
from domain.clients import Scope
from domain.documents import Document
from domain.errors import FailureCode
from domain.secrecy import Secrecy, is_withheld, strictest
from domain.serializers import Json
from domain.text import fold

# Days in a request are those in Brasília, as on the page.
_BEFORE_ALL = datetime.min.replace(tzinfo=UTC)


class BundleFormat(StrEnum):
    """What kind of file a bundle is."""

    PDF = "pdf"
    ZIP = "zip"

    @property
    def media_type(self) -> str:
        """The media type of the file."""
        return f"application/{self}"


class BundleOrder(StrEnum):
    """The order of the documents in a bundle.

    FILED: Instance by instance, the first filed first.
    LISTED: The order in which the court first listed them.
    """

    FILED = "filed"
    LISTED = "listed"


@dataclass(frozen=True, slots=True)
class BundleOptions:
    """What a bundle is asked to be. Everything that is set must hold for a document. Empty means all.

    Attributes:
        instances: Degrees or names of instances, such as ``G1`` or ``1° Grau``, without regard to case and accents.
        types: Types of documents, compared in the same way.
        filed_from: Filed on that day in Brasília or later.
        filed_to: Filed on that day in Brasília or earlier.
        document_ids: Ids of documents.
    """

    format: BundleFormat
    instances: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    filed_from: date | None = None
    filed_to: date | None = None
    document_ids: tuple[str, ...] = ()
    order: BundleOrder = BundleOrder.FILED

    def canonical(self) -> Json:
        """Return the options as JSON, the same for all requests that mean the same."""
        return {
            "format": self.format.value,
            "instances": sorted({fold(name) for name in self.instances}),
            "types": sorted({fold(name) for name in self.types}),
            "filed_from": self.filed_from.isoformat() if self.filed_from else None,
            "filed_to": self.filed_to.isoformat() if self.filed_to else None,
            "document_ids": sorted(set(self.document_ids)),
            "order": self.order.value,
        }

    def accept(self, document: Document) -> bool:
        """Return whether a document is asked for."""
        if self.document_ids and document.id not in self.document_ids:
            return False
        if self.instances:
            names = {fold(name) for name in (document.instance.degree, document.instance.name) if name}
            if names.isdisjoint(map(fold, self.instances)):
                return False
        if self.types and fold(document.type_name or "") not in set(map(fold, self.types)):
            return False
        return self._accepts_day(document.filed_at)

    def _accepts_day(self, filed_at: datetime | None) -> bool:
        if self.filed_from is None and self.filed_to is None:
            return True
        if filed_at is None:
            return False
        day = in_brasilia(filed_at).date()
        return (self.filed_from or day) <= day <= (self.filed_to or day)


@dataclass(frozen=True, slots=True)
class BundleEntry:
    """A document that is asked for, in its place in the bundle: one to put in, or one to name as missing.

    Attributes:
        document_id: None if it is withheld from the reader.
        position: Its place in the process.
        version: The number of its content.
        sha256: The digest of that content. None if the document has no bytes to put in.
        size_bytes: The size of that content.
        omitted: Why it cannot be inside, as far as that is known before the bytes are read.
    """

    document_id: str | None
    position: int
    version: int = 1
    sha256: str | None = None
    size_bytes: int = 0
    omitted: OmissionReason | None = None


@dataclass(frozen=True, slots=True)
class BundleSelection:
    """The documents of a bundle in their order, and its identity.

    Attributes:
        id: SHA-256 of the recipe, the process, the options and the entries, in hexadecimal.
        secrecy: The strictest level of the documents that it contains or names.
    """

    id: str
    process_number: str
    options: BundleOptions
    entries: tuple[BundleEntry, ...]
    secrecy: Secrecy = Secrecy.UNKNOWN

    @property
    def inside(self) -> int:
        """How many documents have bytes to put in."""
        return sum(entry.omitted is None for entry in self.entries)

    @property
    def size_bytes(self) -> int:
        """The size of all of these."""
        return sum(entry.size_bytes for entry in self.entries if entry.omitted is None)


def select_documents(
    process_number: str, documents: Iterable[Document], options: BundleOptions, scopes: Collection[Scope]
) -> BundleSelection:
    """Return what a bundle contains for a reader with these scopes.

    Withheld documents are named by their position alone, and come last. Filters that describe a document do not
    apply to them: whether one matches would say something about it.

    Args:
        process_number: The process.
        documents: All its documents, by position.
        options: What is asked for.
        scopes: The scopes of the reader's key.
    """
    chosen: list[Document] = []
    withheld: list[BundleEntry] = []
    for document in documents:
        if is_withheld(document, scopes):
            if not options.document_ids or document.id in options.document_ids:
                withheld.append(BundleEntry(None, document.position, omitted=OmissionReason.WITHHELD))
        elif options.accept(document):
            chosen.append(document)
    if options.order is BundleOrder.FILED:
        chosen = _by_filing(chosen)
    entries = (*(_to_entry(document, options.format) for document in chosen), *withheld)
    return BundleSelection(
        identify(process_number, options, entries),
        process_number,
        options,
        entries,
        strictest(document.secrecy for document in chosen),
    )


def identify(process_number: str, options: BundleOptions, entries: Sequence[BundleEntry]) -> str:
    """Return the id of a bundle: the same for the same content, another one for any other."""
    parts = [
        [entry.document_id, entry.sha256] if entry.document_id else [entry.position, entry.omitted]
        for entry in entries
    ]
    # A document without bytes is part of the identity too: the bundle says that it is missing, and why.
    reasons = [entry.omitted for entry in entries if entry.document_id]
    content = json.dumps([RECIPE_VERSION, process_number, options.canonical(), parts, reasons], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()


def _to_entry(document: Document, bundle_format: BundleFormat) -> BundleEntry:
    stored = document.stored
    if stored is None:
        return BundleEntry(document.id, document.position, document.version, omitted=_why_not_stored(document))
    omitted = omitted_from_pdf(stored.media_type) if bundle_format is BundleFormat.PDF else None
    return BundleEntry(document.id, document.position, document.version, stored.sha256, stored.size_bytes, omitted)


def _why_not_stored(document: Document) -> OmissionReason:
    if document.failure is None:
        return OmissionReason.PENDING
    is_empty = document.failure.code is FailureCode.NO_CONTENT
    return OmissionReason.NO_CONTENT if is_empty else OmissionReason.FAILED


def _by_filing(documents: Sequence[Document]) -> list[Document]:
    """Sort documents by instance and filing date. One without a date stays behind the one listed before it."""
    instances: dict[str, list[tuple[datetime, Document]]] = {}
    for document in documents:
        group = instances.setdefault(document.instance.key, [])
        before = group[-1][0] if group else _BEFORE_ALL
        group.append((document.filed_at or before, document))
    return list(_in_order(instances.values()))


def _in_order(groups: Iterable[list[tuple[datetime, Document]]]) -> Iterator[Document]:
    for group in groups:
        # Stable: documents of the same moment stay in the order of the list, attachments behind their parent.
        yield from (document for _, document in sorted(group, key=lambda pair: pair[0]))
