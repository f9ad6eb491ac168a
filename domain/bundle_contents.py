"""What a bundle is made of: the pieces of a process as one PDF or one ZIP, and what is missing from it and why."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from domain.media_types import bare_media_type

# Part of a bundle's identity. Raise it whenever the same pieces would become other bytes: another cover, another
# footer, another order of members, another version of the library that writes PDFs.
RECIPE_VERSION = 1


class OmissionReason(StrEnum):
    """Why a document is not inside a bundle. A PDF has a page in its place that says so."""

    # Formats that have no pages. A ZIP contains them.
    VIDEO = "video"
    AUDIO = "audio"
    ARCHIVE = "archive"
    UNSUPPORTED = "unsupported"
    # Bytes that do not become pages.
    ENCRYPTED = "encrypted"
    DAMAGED = "damaged"
    EMPTY = "empty"
    TOO_LARGE = "too_large"
    NOT_CONVERTED = "not_converted"
    # Documents without bytes.
    FAILED = "failed"
    PENDING = "pending"
    NO_CONTENT = "no_content"
    WITHHELD = "withheld"


_ARCHIVE_TYPES = frozenset(
    {
        "application/gzip",
        "application/vnd.rar",
        "application/x-7z-compressed",
        "application/x-rar-compressed",
        "application/x-tar",
        "application/zip",
    }
)
_PDF = "application/pdf"
# What `adapters.bundles.conversion` makes a PDF of.
CONVERTIBLE_TYPES = frozenset(
    {
        "application/rtf",
        "application/xhtml+xml",
        "image/bmp",
        "image/gif",
        "image/jpeg",
        "image/png",
        "image/tiff",
        "image/webp",
        "text/csv",
        "text/html",
        "text/plain",
        "text/rtf",
    }
)


def omitted_from_pdf(media_type: str) -> OmissionReason | None:
    """Return why a document of this media type cannot become pages. None if it can: its bytes are needed."""
    kind = bare_media_type(media_type)
    if kind == _PDF or kind in CONVERTIBLE_TYPES:
        return None
    if kind.startswith("video/"):
        return OmissionReason.VIDEO
    if kind.startswith("audio/"):
        return OmissionReason.AUDIO
    return OmissionReason.ARCHIVE if kind in _ARCHIVE_TYPES else OmissionReason.UNSUPPORTED


def needs_conversion(media_type: str) -> bool:
    """Return whether a document of this media type must be converted before it is merged into a PDF."""
    return bare_media_type(media_type) in CONVERTIBLE_TYPES


@dataclass(frozen=True, slots=True)
class Piece:
    """A document of the process, with its bytes on the scratch disk or the reason why there are none.

    Attributes:
        document_id: None if the document is withheld from the reader.
        position: Its place in the process, from 1.
        instance: The name of its instance, such as ``1° Grau``.
        media_type: The media type of the stored bytes.
        sha256: Lower-case hexadecimal digest of the stored bytes.
        path: For a PDF: the document's own PDF, or the one that it was converted to. For a ZIP: the stored bytes.
        omitted: Why there is no path. None if there is one.
        detail: One sentence on that reason, in the reader's language, such as the court's answer. May be empty.
    """

    document_id: str | None
    position: int
    instance: str | None = None
    name: str | None = None
    type_name: str | None = None
    filed_at: datetime | None = None
    media_type: str | None = None
    size_bytes: int | None = None
    sha256: str | None = None
    path: Path | None = None
    omitted: OmissionReason | None = None
    detail: str = ""

    def __post_init__(self) -> None:
        if (self.path is None) == (self.omitted is None):
            raise ValueError("A piece has either a path or a reason to be omitted.")
        if self.path is not None and (self.document_id is None or self.sha256 is None or self.size_bytes is None):
            raise ValueError("A piece with a path has an id, a size and a digest.")
        if self.omitted is OmissionReason.WITHHELD and any(
            (
                *(self.document_id, self.name, self.type_name, self.filed_at, self.media_type),
                *(self.size_bytes, self.sha256, self.detail),
            )
        ):
            raise ValueError("Nothing may describe a withheld piece.")

    @property
    def title(self) -> str | None:
        """Its name or, without one, its type."""
        return self.name or self.type_name


@dataclass(frozen=True, slots=True)
class Omission:
    """A document that is not inside a bundle.

    Attributes:
        document_id: None if the document is withheld from the reader.
        name: None if it has none or if it is withheld.
        text: The reason in Portuguese, with the piece's own detail.
    """

    position: int
    document_id: str | None
    name: str | None
    reason: OmissionReason
    text: str


@dataclass(frozen=True, slots=True)
class CoverParty:
    """A party as the cover names it.

    Attributes:
        role: Its role or pole in the case, such as ``Autor``.
    """

    role: str
    name: str


@dataclass(frozen=True, slots=True)
class CoverFacts:
    """What a bundle says of its process.

    Attributes:
        number: The process number with punctuation.
        court: The court's acronym, such as ``TJMT``.
        listed_at: When the court last listed the process to us.
        total_documents: How many documents the process has, chosen for the bundle or not.
        class_name: The procedural class. None if it is not known.
        court_units: The chambers that have the case.
        parties: Empty if the process is sealed or parties are not stored.
    """

    number: str
    court: str
    listed_at: datetime | None
    total_documents: int
    class_name: str | None = None
    court_units: tuple[str, ...] = ()
    parties: tuple[CoverParty, ...] = ()


@dataclass(frozen=True, slots=True)
class PageRange:
    """Where a document is in a PDF.

    Attributes:
        position: The document's place in the process.
        document_id: None if the document is withheld from the reader.
        first: Its first page, from 1. A document that is omitted has the page that says so.
        count: Number of its pages.
        repaired: Its PDF was damaged and was repaired to be merged, so that content may be missing.
    """

    position: int
    document_id: str | None
    first: int
    count: int
    repaired: bool = False


@dataclass(frozen=True, slots=True)
class BuiltPdf:
    """A PDF that was built.

    Attributes:
        pages: Number of its pages, with cover and table.
        ranges: Where each document is, in the order of the pieces.
        omissions: The documents that are not inside, in the order of the pieces.
    """

    pages: int
    size_bytes: int
    ranges: tuple[PageRange, ...]
    omissions: tuple[Omission, ...]


@dataclass(frozen=True, slots=True)
class BuiltZip:
    """A ZIP that is ready to be streamed.

    Attributes:
        size_bytes: The size of the whole archive, known before its first byte.
        omissions: The documents that are not inside, in the order of the pieces.
    """

    size_bytes: int
    omissions: tuple[Omission, ...]
