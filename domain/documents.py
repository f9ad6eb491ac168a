"""Documents as the catalog knows them: where to download them, and what is stored."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from domain.content import Expected
from domain.errors import FailureCode
from domain.listings import DocumentOrigin, Instance
from domain.secrecy import Secrecy, Unlistable


class DocumentStatus(StrEnum):
    """``pending → available | failed``; ``failed → pending`` only by a retry.

    ``available → pending`` only if the court replaces the content, or if an audit's repair finds that its object is
    gone or damaged.
    """

    PENDING = "pending"
    AVAILABLE = "available"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class ContentOffer:
    """One place at the court that offers a document's content.

    Attributes:
        href: Its address, relative to the court's API.
        is_text: It is the court's plain text of the document instead of its bytes.
        media_type: The media type that the listing states for it.
        size_bytes: The size that the listing states for it.
    """

    href: str
    is_text: bool = False
    media_type: str | None = None
    size_bytes: int | None = None


def content_offers(described: DocumentOrigin, origins: Iterable[DocumentOrigin]) -> tuple[ContentOffer, ...]:
    """Return the places that offer a document's content, the best one first.

    A binary beats a text. Texts are offered only if there is no binary, or after binaries of which the listing
    states neither type nor size, because the court may list a piece that has no file.

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
    offers = [*reversed(binaries.values())]
    if all(offer.media_type is None and offer.size_bytes is None for offer in offers):
        offers += reversed(texts.values())
    return tuple(offers)


@dataclass(frozen=True, slots=True)
class DocumentSource:
    """What a download needs to know about a document.

    Attributes:
        position: Its place in the process, from 1. It never changes.
        offers: The places that offer its content, the best one first.
        version: Counts the contents that the court has listed under this id, from 1.
        failed_attempts: Attempts of the present run that failed through the document's own fault.
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
        """Return what the listing says about the bytes of an offer."""
        return Expected(offer.media_type, self.name, offer.size_bytes, is_text=offer.is_text)


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object in the store, whole and verified.

    Attributes:
        sha256: Lower-case hexadecimal digest of its bytes.
    """

    key: str
    size_bytes: int
    sha256: str
    media_type: str

    @property
    def is_pdf(self) -> bool:
        """Whether its bytes were found to be a PDF when they were stored, whatever the court called them."""
        return self.media_type == "application/pdf"


@dataclass(frozen=True, slots=True)
class Link:
    """A presigned URL. Until ``expires_at`` it opens the document for anyone who has it, so it is a secret."""

    url: str = field(repr=False)
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a document or a process failed.

    Attributes:
        answer: The court's last answer, short and free of secrets.
        attempts: Number of attempts in the run that gave up.
    """

    code: FailureCode
    answer: str
    attempts: int
    failed_at: datetime

    @property
    def retryable(self) -> bool:
        """Whether a later request may succeed."""
        return self.code.retryable

    @property
    def quotes_court(self) -> bool:
        """Whether the answer is the court's own. Otherwise it is our description of what the court sent."""
        return quotes_court(self.answer)


def quotes_court(answer: str) -> bool:
    """Return whether the answer in a failure is the court's own: it begins with the HTTP status."""
    return answer.startswith("HTTP ")


@dataclass(frozen=True, slots=True)
class FormerVersion:
    """A content of a document that the court has replaced under the same id.

    Attributes:
        version: Its number, from 1.
        replaced_at: When a listing first stated another content.
    """

    version: int
    name: str | None
    filed_at: datetime | None
    stored: StoredObject
    stored_at: datetime
    replaced_at: datetime


def version_id(document_id: str, version: int) -> str:
    """Return an id for a former content of a document, used to map links to contents."""
    return f"{document_id}/{version}"


@dataclass(frozen=True, slots=True)
class Document(Unlistable):
    """A document as the catalog knows it.

    Attributes:
        id: The UUID under which the court first listed it. It stays, whichever of its sources is current.
        secrecy: The strictest level of its process, its instance, itself and all its sources.
        sources: Its places in the court's last listing.
        unlisted_at: When the court stopped showing it, or its whole process. None while the court shows it.
        version: Counts the contents that the court has listed under this id, from 1.
        versions: The former contents that are stored, the latest first.
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
        """Yield the document, then a copy of it for each former content, each with an id of its own."""
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
