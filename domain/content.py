"""Telling a document from what only looks like one, while its bytes flow by."""

from __future__ import annotations

import hashlib
import re
import tempfile
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import IO

from domain.errors import DocumentFailure, FailureCode

_HEAD = 4096
_TAIL = 1024
_PDF = "application/pdf"
_PDF_MARK = b"%PDF-"
# The mark need not come first (ISO 32000, annex H): some tools write a line before it.
_PDF_MARK_WITHIN = 1024
_PDF_END = b"%%EOF"
# A larger PDF is judged by its marks alone.
_LARGEST_INSPECTED = 64 * 1024**2
_HELD_IN_MEMORY = 1024**2
# A court's stated size may be a few bytes off. More is another revision of the file, or a part of it.
_FEW_BYTES = 1024

# What every version of the portal's own application holds. A certificate may quote the portal's name.
_PORTAL_MARKS = (b"<app-root", b"ng-version")
_LEGAL_WORDS = re.compile(
    r"certid|certifi[cq]|despacho|decis[ãa]o|senten[çc]a|intima|mandado|of[íi]cio|ju[íi]z|vistos", re.IGNORECASE
)
_SCRIPTS_AND_TAGS = re.compile(r"<(script|style)\b.*?</\1\s*>|<[^>]*>", re.IGNORECASE | re.DOTALL)
# An object, or a list of objects: a text may well begin with a bracket, and RTF begins with a brace.
_JSON = re.compile(rb"\{\s*[\"}]|\[\s*[{\]]")
_JSON_TYPE = "application/json"
_TEXT_ENDINGS = {".html": "text/html", ".htm": "text/html", ".json": _JSON_TYPE, ".txt": "text/plain"}
_SAYS_NOTHING = frozenset({"", "application/octet-stream", "binary/octet-stream"})


class PdfCondition(Enum):
    """What a PDF library says of a file.

    INTACT: It opens as it is, but for bytes behind its end.
    REPAIRED: It opens after the library has rebuilt its table of objects.
    BROKEN: It does not open.
    """

    INTACT = auto()
    REPAIRED = auto()
    BROKEN = auto()


InspectPdf = Callable[[IO[bytes]], Awaitable[PdfCondition]]
# Tells the media type from the first bytes; None for text and for bytes of no known kind.
FileKind = Callable[[bytes], str | None]


def no_file_kind(head: bytes) -> str | None:
    """Know no kind of file but PDF."""
    return _PDF if _PDF_MARK in head[:_PDF_MARK_WITHIN] else None


@dataclass(frozen=True, slots=True)
class Expected:
    """What the court says that the bytes are.

    Attributes:
        media_type: The listing's media type. None if it states none.
        name: The listing's name.
        size_bytes: The listing's size. None if it states none.
        is_text: They are the court's plain text of the document.
    """

    media_type: str | None = None
    name: str | None = None
    size_bytes: int | None = None
    is_text: bool = False

    @property
    def stated_type(self) -> str | None:
        """The listing's media type, or else what the name's ending says."""
        listed = (self.media_type or "").partition(";")[0].strip().lower()
        if listed not in _SAYS_NOTHING:
            return listed
        name = (self.name or "").strip().lower()
        if name.endswith(".pdf"):
            return _PDF
        return next((kind for ending, kind in _TEXT_ENDINGS.items() if name.endswith(ending)), None)


class DocumentContent:
    """The bytes of one document, measured and hashed as they are read, and judged when they end.

    Iterate over it once. When the iteration ends, the content has been found to be a document. If it is not, the
    iteration raises instead of ending, so that a consumer cannot mistake the one for the other.

    Args:
        chunks: The bytes as they arrive.
        expected: What the court says that they are.
        max_bytes: More than this is refused.
        file_kind: Tells the media type from the first bytes.
        inspect_pdf: Opens a PDF whose marks leave a doubt. Without it such a PDF is refused.
        served_type: Returns the media type of the court's answer, once the bytes have begun to arrive.

    Raises:
        DocumentFailure: On iteration: empty, truncated, too large, the portal's own page, or an apology (JSON, a
            page or a text) where the court lists something else.
    """

    def __init__(
        self,
        chunks: AsyncIterable[bytes],
        *,
        max_bytes: int,
        expected: Expected | None = None,
        file_kind: FileKind = no_file_kind,
        inspect_pdf: InspectPdf | None = None,
        served_type: Callable[[], str | None] = lambda: None,
    ) -> None:
        self._chunks = chunks
        self._expected = expected or Expected()
        self._max_bytes = max_bytes
        self._file_kind = file_kind
        self._inspect_pdf = inspect_pdf
        self._served_type = served_type
        self._digest = hashlib.sha256()
        self._tail = b""
        self.head = b""
        self.size_bytes = 0

    @property
    def sha256(self) -> bytes:
        """The digest of what has been read so far."""
        return self._digest.digest()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with tempfile.SpooledTemporaryFile(_HELD_IN_MEMORY) as copy:
            async for chunk in self._chunks:
                self._take(chunk)
                if self._may_be_inspected:
                    copy.write(chunk)
                yield chunk
            await self._judge(copy)

    def _take(self, chunk: bytes) -> None:
        self.size_bytes += len(chunk)
        if self.size_bytes > self._max_bytes:
            raise DocumentFailure(FailureCode.TOO_LARGE, f"The document is larger than {self._max_bytes} bytes.")
        self._digest.update(chunk)
        if len(self.head) < _HEAD:
            self.head += chunk[: _HEAD - len(self.head)]
        self._tail = chunk[-_TAIL:] if len(chunk) >= _TAIL else (self._tail + chunk)[-_TAIL:]

    @property
    def _may_be_inspected(self) -> bool:
        if self._inspect_pdf is None or self.size_bytes > _LARGEST_INSPECTED:
            return False
        return _PDF_MARK in self.head[:_PDF_MARK_WITHIN] or self.size_bytes < _PDF_MARK_WITHIN

    async def _judge(self, copy: IO[bytes]) -> None:
        start = self.head.lstrip(b"\xef\xbb\xbf \t\r\n")
        if self.size_bytes == 0:
            raise DocumentFailure(FailureCode.EMPTY_DOCUMENT, "The court answered 200 with no bytes.")
        if not start and self.size_bytes <= _HEAD:
            raise DocumentFailure(FailureCode.EMPTY_DOCUMENT, "The court answered 200 with nothing but blanks.")
        if _is_portal_page(start):
            raise DocumentFailure(
                FailureCode.PORTAL_PAGE, "The court answered with its portal's page instead of the document."
            )
        kind = self._file_kind(self.head)
        self._refuse_apology(kind, start)
        if kind == _PDF:
            await self._judge_pdf(copy)
        # Only now: what stands in a document's place is nearly always shorter than the document.
        elif self._missing_bytes > 0:
            raise self._truncated()

    def _refuse_apology(self, kind: str | None, start: bytes) -> None:
        """Refuse JSON, a page or a text that neither the listing nor the answer's header announces.

        An error that is dressed as a document has never been another kind of file, so what is one is taken,
        whatever it was said to be.
        """
        if kind is not None and not kind.startswith("text/") and kind != _JSON_TYPE and not self._expected.is_text:
            return
        # Of the court's text, the listing states nothing.
        stated = None if self._expected.is_text else self._expected.stated_type
        served = (self._served_type() or "").partition(";")[0].strip().lower()
        if _JSON.match(start):
            if stated not in (_JSON_TYPE, "text/plain") or served not in (_SAYS_NOTHING | {stated}):
                raise DocumentFailure(
                    FailureCode.INVALID_CONTENT, "The court answered with JSON instead of the document."
                )
        elif stated == _PDF:
            raise DocumentFailure(
                FailureCode.INVALID_CONTENT, "The court answered with something else where it lists a PDF."
            )

    async def _judge_pdf(self, copy: IO[bytes]) -> None:
        """Refuse a PDF that is not whole. A library is asked only if its size or its end mark leaves a doubt."""
        if _PDF_END in self._tail and self._missing_bytes <= 0:
            return
        if self._inspect_pdf is None or self.size_bytes > _LARGEST_INSPECTED:
            if self._missing_bytes > 0:
                raise self._truncated()
            raise DocumentFailure(FailureCode.TRUNCATED, "The PDF has no end mark.")
        condition = await self._inspect_pdf(copy)
        stated = self._expected.size_bytes is not None
        if condition is PdfCondition.INTACT and self._missing_bytes <= _FEW_BYTES:
            return
        if condition is PdfCondition.REPAIRED and stated and self._missing_bytes <= 0:
            return
        if self._missing_bytes > 0:
            raise self._truncated()
        raise DocumentFailure(FailureCode.TRUNCATED, "The PDF does not open: its end is missing.")

    @property
    def _missing_bytes(self) -> int:
        """How many bytes of the listed size have not come. Negative if more have come."""
        listed = self._expected.size_bytes
        return 0 if listed is None else listed - self.size_bytes

    def _truncated(self) -> DocumentFailure:
        return DocumentFailure(
            FailureCode.TRUNCATED,
            f"The court sent {self.size_bytes} of the {self._expected.size_bytes} bytes that it lists.",
        )


def _is_portal_page(start: bytes) -> bool:
    """Whether this is a page of the portal's application, and not a court's page that quotes it."""
    if start[:9].lower() != b"<!doctype" or not any(mark in start for mark in _PORTAL_MARKS):
        return False
    return not _LEGAL_WORDS.search(_SCRIPTS_AND_TAGS.sub(" ", start.decode(errors="replace")))
