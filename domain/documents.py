"""Documents, the listings that name them, and what is known of one once it is stored."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from domain.errors import FailureCode
from domain.secrecy import Secrecy

# The portal's word, and the data lake's.
_PDF_TYPES = frozenset({"application/pdf", "application_pdf"})


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
        id: the UUID that the document has there.
        source: the number of the system that feeds it to the court's data lake.
        codex_id: its number in the data lake.
        secrecy: the level that this source states. None if it is the document's own.
    """

    id: str
    source: int | None = None
    codex_id: int | None = None
    secrecy: Secrecy | None = None


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
class DocumentSource:
    """What a download needs to know of a document.

    Attributes:
        position: its place in the process, from 1, which never changes.
        failed_attempts: attempts of the present run that failed by the document's own fault.
    """

    process_number: str
    id: str
    position: int
    status: DocumentStatus
    name: str | None
    binary_href: str | None
    text_href: str | None
    declared_media_type: str | None
    declared_size_bytes: int | None
    failed_attempts: int

    @property
    def is_text(self) -> bool:
        """Whether nothing but the court's text of it can be had."""
        return self.binary_href is None

    @property
    def claims_pdf(self) -> bool:
        """Whether its bytes are said to be a PDF, by the listing's media type or by its name."""
        declared = (self.declared_media_type or "").partition(";")[0].strip().lower()
        named = (self.name or "").strip().lower()
        return not self.is_text and (declared in _PDF_TYPES or named.endswith(".pdf"))


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
class Document:
    """A document as the catalog knows it.

    Attributes:
        id: the UUID under which the court first listed it; it stays, whichever of its sources is current.
        secrecy: the strictest level of its process, its instance, itself and all its sources.
        sources: where the court's last listing has it.
        unlisted_at: since when the court no longer shows it, or its whole process. None if it does.
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

    @property
    def listed(self) -> bool:
        """Whether the court still shows it."""
        return self.unlisted_at is None
