"""Documents, the listings that name them, and what is known of one once it is stored."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from domain.content import Expected
from domain.errors import FailureCode
from domain.same_document import Description
from domain.secrecy import Secrecy


class DocumentStatus(StrEnum):
    """``pending → available | failed``; ``failed → pending`` only by a retry; ``available`` never goes back."""

    PENDING = "pending"
    AVAILABLE = "available"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Instance:
    """One run of the case through a court degree.

    Attributes:
        key: identifies the instance inside its process, the same in every listing.
        degree: the court's short word for the degree, such as ``G1``.
        name: what people call it, such as ``1° Grau``.
        court_unit: the chamber or court room that has it.
        filed_at: when it was filed there.
        current: whether the case is there now.
        secrecy: the level that the court states for the instance as a whole.
    """

    key: str
    degree: str | None = None
    name: str | None = None
    court_unit: str | None = None
    filed_at: datetime | None = None
    current: bool = False
    secrecy: Secrecy = Secrecy.UNKNOWN


@dataclass(frozen=True, slots=True)
class DocumentOrigin:
    """One of the places at the court from which the same document comes.

    Attributes:
        id: The UUID that the document has there.
        source: The number of the system that feeds it to the court's data lake.
        codex_id: Its number in the data lake.
        secrecy: The level that this source states. None if it is the document's own.
        binary_href: Where its bytes are there, relative to the court's API.
        text_href: Where its text is there.
        media_type: The media type that is stated there.
        size_bytes: The size that is stated there.
        filed_at: The filing that is stated there.
    """

    id: str
    source: int | None = None
    codex_id: int | None = None
    secrecy: Secrecy | None = None
    binary_href: str | None = None
    text_href: str | None = None
    media_type: str | None = None
    size_bytes: int | None = None
    filed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ListedDocument:
    """One document as the court's listing describes it. Nothing but ``id`` can be relied on.

    Attributes:
        id: the UUID in the document's address at the court.
        instance_key: the instance that it was filed in.
        binary_href: where its bytes are, relative to the court's API; absent for documents that are text only.
        text_href: where its text is, likewise.
        secrecy: the strictest level that its sources and their instances state.
        declared_size_bytes: the size that the court states, which may be absent.
        origin_id: the id in the system of the court that it comes from.
        sources: where the listing has it, the place that is described here first.
    """

    id: str
    instance_key: str
    name: str | None = None
    sequence: int | None = None
    type_code: int | None = None
    type_name: str | None = None
    filed_at: datetime | None = None
    secrecy: Secrecy = Secrecy.UNKNOWN
    binary_href: str | None = None
    text_href: str | None = None
    declared_media_type: str | None = None
    declared_size_bytes: int | None = None
    pages: int | None = None
    origin_id: str | None = None
    sources: tuple[DocumentOrigin, ...] = ()

    @property
    def description(self) -> Description:
        """What tells it from others with the same id in the court's own system."""
        return Description(self.name, self.declared_size_bytes, self.filed_at)


@dataclass(frozen=True, slots=True)
class Listing:
    """The court's description of a process at a moment, with its documents in filing order.

    Holds no names of parties: they are not stored.

    Attributes:
        secrecy: the level that the court states for the process as a whole.
        unrecognized_levels: the levels of secrecy that were not understood, each cut short, for the log.
    """

    process_number: str
    court: str
    listed_at: datetime
    instances: tuple[Instance, ...]
    documents: tuple[ListedDocument, ...]
    secrecy: Secrecy = Secrecy.UNKNOWN
    class_code: int | None = None
    class_name: str | None = None
    subjects: tuple[str, ...] = ()
    filed_at: datetime | None = None
    value: Decimal | None = None
    unrecognized_levels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ContentOffer:
    """One place at the court from which a document's content can be had.

    Attributes:
        href: Its address, relative to the court's API.
        is_text: It is the court's plain text of the document, and not its bytes.
        media_type: The media type that the listing states for it.
        size_bytes: The size that the listing states for it.
    """

    href: str
    is_text: bool = False
    media_type: str | None = None
    size_bytes: int | None = None


def content_offers(described: DocumentOrigin, origins: Iterable[DocumentOrigin]) -> tuple[ContentOffer, ...]:
    """Return where a document's content can be had, the best place first.

    A binary beats a text: the texts are offered only without any binary, and behind binaries of which the listing
    states nothing at all, since the court may list a piece that has no file.

    Args:
        described: The document as the listing describes it.
        origins: All its sources.
    """
    places = [described, *origins]
    binaries = {
        place.binary_href: ContentOffer(place.binary_href, False, place.media_type, place.size_bytes)
        for place in reversed(places)
        if place.binary_href
    }
    texts = {href: ContentOffer(href, is_text=True) for place in reversed(places) if (href := place.text_href)}
    in_order = [*reversed(binaries.values())]
    if all(offer.media_type is None and offer.size_bytes is None for offer in in_order):
        in_order += reversed(texts.values())
    return tuple(in_order)


@dataclass(frozen=True, slots=True)
class DocumentSource:
    """What a download needs to know of a document.

    Attributes:
        position: Its place in the process, from 1, which never changes.
        offers: Where its content can be had, the best place first.
        version: Counts the contents that the court has listed under this id, from 1.
        failed_attempts: Attempts of the present run that failed by the document's own fault.
    """

    process_number: str
    id: str
    position: int
    status: DocumentStatus
    name: str | None
    offers: tuple[ContentOffer, ...]
    failed_attempts: int
    version: int = 1

    def expected(self, offer: ContentOffer) -> Expected:
        """Return what the listing says that the bytes of an offer are."""
        return Expected(offer.media_type, self.name, offer.size_bytes, is_text=offer.is_text)


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object that is in the store, whole and verified.

    Attributes:
        sha256: lower-case hexadecimal digest of its bytes.
    """

    key: str
    size_bytes: int
    sha256: str
    media_type: str


@dataclass(frozen=True, slots=True)
class Link:
    """A link that opens a document for whoever holds it, until ``expires_at``: a secret while it lives."""

    url: str = field(repr=False)
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a document or a process failed.

    Attributes:
        answer: what the court answered last, short and free of secrets.
        attempts: how many times it was tried in the run that gave up.
    """

    code: FailureCode
    answer: str
    attempts: int
    failed_at: datetime

    @property
    def retryable(self) -> bool:
        """Whether a later request may succeed."""
        return self.code.retryable


@dataclass(frozen=True, slots=True)
class FormerVersion:
    """A content of a document that the court has replaced under the same id.

    Attributes:
        version: Its number, from 1.
        replaced_at: When the listing named another content.
    """

    version: int
    name: str | None
    filed_at: datetime | None
    stored: StoredObject
    stored_at: datetime
    replaced_at: datetime


def version_id(document_id: str, version: int) -> str:
    """Return what tells a former content of a document from others, for whoever signs links to it."""
    return f"{document_id}/{version}"


@dataclass(frozen=True, slots=True)
class Document:
    """A document as the catalog knows it.

    Attributes:
        id: the UUID under which the court first listed it; it stays, whichever of its sources is current.
        secrecy: the strictest level of its process, its instance, itself and all its sources.
        sources: where the court's last listing has it.
        unlisted_at: since when the court no longer shows it, or its whole process. None if it does.
        version: Counts the contents that the court has listed under this id, from 1.
        versions: The contents before the present one that are stored, the latest first.
    """

    id: str
    position: int
    status: DocumentStatus
    name: str | None
    type_name: str | None
    filed_at: datetime | None
    instance: Instance
    secrecy: Secrecy
    pages: int | None
    sources: tuple[DocumentOrigin, ...] = ()
    stored: StoredObject | None = None
    failure: Failure | None = None
    unlisted_at: datetime | None = None
    version: int = 1
    versions: tuple[FormerVersion, ...] = ()

    def contents(self) -> Iterator[Document]:
        """Yield the document, then once with each former content, each under an id of its own."""
        yield self
        for former in self.versions:
            yield replace(
                self,
                id=version_id(self.id, former.version),
                status=DocumentStatus.AVAILABLE,
                name=former.name,
                filed_at=former.filed_at,
                stored=former.stored,
                versions=(),
            )

    @property
    def listed(self) -> bool:
        """Whether the court still shows it."""
        return self.unlisted_at is None
