"""Validation of a document's bytes while they are streamed: a 200 of the court is no proof of a document."""

from __future__ import annotations

import hashlib
import re
import tempfile
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import IO

from domain.errors import DocumentFailure, FailureCode
from domain.media_types import bare_media_type

_HEAD_BYTES = 4096
_TAIL_BYTES = 1024
_PDF = "application/pdf"
_PDF_HEADER = b"%PDF-"
# The header need not come first (ISO 32000, annex H): some tools write a line before it.
_PDF_HEADER_WITHIN = 1024
_PDF_END = b"%%EOF"
# A larger PDF is validated only by its header and end marker.
_MAX_INSPECTED_BYTES = 64 * 1024**2
_SPOOL_MEMORY_BYTES = 1024**2
# The size that the court states may be a few bytes off. A larger difference means another revision of the file, or
# only a part of it.
_SIZE_TOLERANCE_BYTES = 1024

# Every version of the portal's web application contains these. The portal's name proves nothing: a certificate may
# quote it.
_PORTAL_MARKERS = (b"<app-root", b"ng-version")
_LEGAL_WORDS = re.compile(
    r"certid|certifi[cq]|despacho|decis[ãa]o|senten[çc]a|intima|mandado|of[íi]cio|ju[íi]z|vistos", re.IGNORECASE
)
_SCRIPTS_AND_TAGS = re.compile(r"<(script|style)\b.*?</\1\s*>|<[^>]*>", re.IGNORECASE | re.DOTALL)
# An object, or a list of objects. A first bracket or brace is not enough: a text may begin with one, and RTF does.
_JSON = re.compile(rb"\{\s*[\"}]|\[\s*[{\]]")
_JSON_TYPE = "application/json"
_TEXT_EXTENSIONS = {".html": "text/html", ".htm": "text/html", ".json": _JSON_TYPE, ".txt": "text/plain"}
_UNSPECIFIC_TYPES = frozenset({"", "application/octet-stream", "binary/octet-stream"})


class PdfCondition(Enum):
    """The result of opening a file with a PDF library.

    INTACT: It opens as it is. Bytes after its end are ignored.
    REPAIRED: It opens after the library has rebuilt its cross-reference table.
    BROKEN: It does not open.
    """

    INTACT = auto()
    REPAIRED = auto()
    BROKEN = auto()


InspectPdf = Callable[[IO[bytes]], Awaitable[PdfCondition]]
# Detects the media type from the first bytes. None for plain text and for unknown formats.
MediaTypeDetector = Callable[[bytes], str | None]


def has_pdf_header(head: bytes) -> bool:
    """Return whether a PDF header is in the first kilobyte, where PDF readers accept it."""
    return _PDF_HEADER in head[:_PDF_HEADER_WITHIN]


def detect_pdf_only(head: bytes) -> str | None:
    """Detect PDF and no other media type."""
    return _PDF if has_pdf_header(head) else None


@dataclass(frozen=True, slots=True)
class Expected:
    """What the court's listing states about the bytes.

    Attributes:
        media_type: The stated media type, if any.
        name: The stated name.
        size_bytes: The stated size, if any.
        is_text: The bytes are the court's plain text of the document.
    """

    media_type: str | None = None
    name: str | None = None
    size_bytes: int | None = None
    is_text: bool = False

    @property
    def stated_type(self) -> str | None:
        """The stated media type or, if it is unspecific, the one of the name's extension."""
        media_type = bare_media_type(self.media_type or "")
        if media_type not in _UNSPECIFIC_TYPES:
            return media_type
        name = (self.name or "").strip().lower()
        if name.endswith(".pdf"):
            return _PDF
        return next((kind for extension, kind in _TEXT_EXTENSIONS.items() if name.endswith(extension)), None)


class DocumentContent:
    """The bytes of one document, measured and hashed while they are read, and validated at the end.

    Iterate over it once. The iteration ends only if the content is a valid document. Otherwise it raises, so that a
    consumer cannot store an invalid one by mistake.

    Args:
        chunks: The bytes as they arrive.
        expected: What the court's listing states about them.
        max_bytes: Maximum size.
        detect_media_type: Detects the media type from the first bytes.
        inspect_pdf: Opens a PDF that is doubtful by its size or its end marker. Without it such a PDF is rejected.
        served_type: Returns the ``Content-Type`` of the court's response, once the bytes have begun to arrive.

    Raises:
        DocumentFailure: On iteration: the content is empty, truncated, too large, the portal's own page, or an
            error body (JSON, a page or a text) where the court lists something else.
    """

    def __init__(
        self,
        chunks: AsyncIterable[bytes],
        *,
        max_bytes: int,
        expected: Expected | None = None,
        detect_media_type: MediaTypeDetector = detect_pdf_only,
        inspect_pdf: InspectPdf | None = None,
        served_type: Callable[[], str | None] = lambda: None,
    ) -> None:
        self._chunks = chunks
        self._expected = expected or Expected()
        self._max_bytes = max_bytes
        self._detect_media_type = detect_media_type
        self._inspect_pdf = inspect_pdf
        self._served_type = served_type
        self._digest = hashlib.sha256()
        self._tail = b""
        self.head = b""
        self.size_bytes = 0

    @property
    def sha256(self) -> bytes:
        """The digest of the bytes read so far."""
        return self._digest.digest()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with tempfile.SpooledTemporaryFile(_SPOOL_MEMORY_BYTES) as copy:
            async for chunk in self._chunks:
                self._measure(chunk)
                if self._may_be_inspected:
                    copy.write(chunk)
                yield chunk
            await self._validate(copy)

    def _measure(self, chunk: bytes) -> None:
        self.size_bytes += len(chunk)
        if self.size_bytes > self._max_bytes:
            raise DocumentFailure(FailureCode.TOO_LARGE, f"The document is larger than {self._max_bytes} bytes.")
        self._digest.update(chunk)
        if len(self.head) < _HEAD_BYTES:
            self.head += chunk[: _HEAD_BYTES - len(self.head)]
        self._tail = chunk[-_TAIL_BYTES:] if len(chunk) >= _TAIL_BYTES else (self._tail + chunk)[-_TAIL_BYTES:]

    @property
    def _may_be_inspected(self) -> bool:
        if self._inspect_pdf is None or self.size_bytes > _MAX_INSPECTED_BYTES:
            return False
        return has_pdf_header(self.head) or self.size_bytes < _PDF_HEADER_WITHIN

    async def _validate(self, copy: IO[bytes]) -> None:
        start = self.head.lstrip(b"\xef\xbb\xbf \t\r\n")
        if self.size_bytes == 0:
            raise DocumentFailure(FailureCode.EMPTY_DOCUMENT, "The court answered 200 with no bytes.")
        if not start and self.size_bytes <= _HEAD_BYTES:
            raise DocumentFailure(FailureCode.EMPTY_DOCUMENT, "The court answered 200 with nothing but blanks.")
        if _is_portal_page(start):
            raise DocumentFailure(
                FailureCode.PORTAL_PAGE, "The court answered with its portal's page instead of the document."
            )
        media_type = self._detect_media_type(self.head)
        self._reject_error_body(media_type, start)
        if media_type == _PDF:
            await self._validate_pdf(copy)
        # Checked last: an error body is nearly always shorter than the document, and has a code of its own.
        elif self._missing_bytes > 0:
            raise self._truncated_failure()

    def _reject_error_body(self, media_type: str | None, start: bytes) -> None:
        """Reject JSON, a page or a text that neither the listing nor the ``Content-Type`` announces.

        An error body has never been in another format. So other formats are accepted, whatever the court stated.
        """
        is_binary = media_type is not None and not media_type.startswith("text/") and media_type != _JSON_TYPE
        if is_binary and not self._expected.is_text:
            return
        # The listing states no media type for the court's text.
        stated = None if self._expected.is_text else self._expected.stated_type
        served = bare_media_type(self._served_type() or "")
        if _JSON.match(start):
            if stated not in (_JSON_TYPE, "text/plain") or served not in (_UNSPECIFIC_TYPES | {stated}):
                raise DocumentFailure(
                    FailureCode.INVALID_CONTENT, "The court answered with JSON instead of the document."
                )
        elif stated == _PDF:
            raise DocumentFailure(
                FailureCode.INVALID_CONTENT, "The court answered with something else where it lists a PDF."
            )

    async def _validate_pdf(self, copy: IO[bytes]) -> None:
        """Reject a truncated PDF. A library opens it only if its size or its end marker leaves a doubt."""
        if _PDF_END in self._tail and self._missing_bytes <= 0:
            return
        if self._inspect_pdf is None or self.size_bytes > _MAX_INSPECTED_BYTES:
            if self._missing_bytes > 0:
                raise self._truncated_failure()
            raise DocumentFailure(FailureCode.TRUNCATED, "The PDF has no end mark.")
        condition = await self._inspect_pdf(copy)
        size_stated = self._expected.size_bytes is not None
        if condition is PdfCondition.INTACT and self._missing_bytes <= _SIZE_TOLERANCE_BYTES:
            return
        if condition is PdfCondition.REPAIRED and size_stated and self._missing_bytes <= 0:
            return
        if self._missing_bytes > 0:
            raise self._truncated_failure()
        raise DocumentFailure(FailureCode.TRUNCATED, "The PDF does not open: its end is missing.")

    @property
    def _missing_bytes(self) -> int:
        """The listed size minus the received size. Negative if more bytes than listed have arrived."""
        listed = self._expected.size_bytes
        return 0 if listed is None else listed - self.size_bytes

    def _truncated_failure(self) -> DocumentFailure:
        return DocumentFailure(
            FailureCode.TRUNCATED,
            f"The court sent {self.size_bytes} of the {self._expected.size_bytes} bytes that it lists.",
        )


def _is_portal_page(start: bytes) -> bool:
    """Return whether this is a page of the portal's application, and not a legal document that quotes it."""
    if start[:9].lower() != b"<!doctype" or not any(marker in start for marker in _PORTAL_MARKERS):
        return False
    return not _LEGAL_WORDS.search(_SCRIPTS_AND_TAGS.sub(" ", start.decode(errors="replace")))
