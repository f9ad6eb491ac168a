"""Telling a document from what only looks like one, while its bytes flow by."""

from __future__ import annotations

import hashlib
import re
from collections.abc import AsyncIterable, AsyncIterator

from domain.errors import DocumentFailure, FailureCode

_HEAD = 4096
_TAIL = 1024
# What every page of the portal's own application holds somewhere; a court's HTML document is a bare fragment.
_PORTAL_MARKS = (b"<app-root", b"ng-version", "Portal de Serviços do Poder Judiciário".encode())
# An object, or a list of objects: a text may well begin with a bracket, and RTF begins with a brace.
_JSON = re.compile(rb"\{\s*[\"}]|\[\s*[{\]]")
_PDF_MARK = b"%PDF-"
# The mark need not come first (ISO 32000, annex H): some tools write a line before it.
_PDF_MARK_WITHIN = 1024
# Files by their own right, which courts do name .pdf: RTF, ZIP with what Office keeps in it, older Word, pictures.
# An error that is dressed as a document has never been one of these, but HTML or a text.
_OTHER_FILES = (b"{\\rtf", b"PK\x03\x04", b"\xd0\xcf\x11\xe0", b"\x89PNG", b"\xff\xd8\xff", b"II*\0", b"MM\0*")


class DocumentContent:
    """The bytes of one document, measured and hashed as they are read, and judged when they end.

    Iterate over it once. When the last chunk has been given out, the content has been found to be a document;
    if it is not, the iteration raises instead of ending, so that a consumer cannot mistake the one for the other.

    Args:
        chunks: the bytes as they arrive.
        declared_size: the size that the court's listing states, in bytes.
        max_bytes: more than this is refused.
        claims_pdf: the court says that it is a PDF: then text or a page in its place is none.

    Raises:
        DocumentFailure: on iteration; empty, truncated, too large, the portal's own page, JSON, or no PDF where
            one is claimed.
    """

    def __init__(
        self,
        chunks: AsyncIterable[bytes],
        *,
        declared_size: int | None,
        max_bytes: int,
        claims_pdf: bool = False,
    ) -> None:
        self._chunks = chunks
        self._declared_size = declared_size
        self._max_bytes = max_bytes
        self._claims_pdf = claims_pdf
        self._digest = hashlib.sha256()
        self._tail = b""
        self.head = b""
        self.size_bytes = 0

    @property
    def sha256(self) -> bytes:
        """The digest of what has been read so far."""
        return self._digest.digest()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._chunks:
            self.size_bytes += len(chunk)
            if self.size_bytes > self._max_bytes:
                raise DocumentFailure(
                    FailureCode.TOO_LARGE, f"The document is larger than {self._max_bytes} bytes."
                )
            self._digest.update(chunk)
            if len(self.head) < _HEAD:
                self.head += chunk[: _HEAD - len(self.head)]
            self._tail = chunk[-_TAIL:] if len(chunk) >= _TAIL else (self._tail + chunk)[-_TAIL:]
            yield chunk
        self._judge()

    def _judge(self) -> None:
        if self.size_bytes == 0:
            raise DocumentFailure(FailureCode.EMPTY_DOCUMENT, "The court answered 200 with no bytes.")
        start = self.head.lstrip(b"\xef\xbb\xbf \t\r\n")
        if not start and self.size_bytes <= _HEAD:
            raise DocumentFailure(FailureCode.EMPTY_DOCUMENT, "The court answered 200 with nothing but blanks.")
        if start[:9].lower() == b"<!doctype" and any(mark in self.head for mark in _PORTAL_MARKS):
            raise DocumentFailure(
                FailureCode.PORTAL_PAGE, "The court answered with its portal's page instead of the document."
            )
        if _JSON.match(start):
            raise DocumentFailure(
                FailureCode.INVALID_CONTENT, "The court answered with JSON instead of the document."
            )
        is_pdf = _PDF_MARK in self.head[:_PDF_MARK_WITHIN]
        if self._claims_pdf and not is_pdf and not self.head.startswith(_OTHER_FILES):
            raise DocumentFailure(
                FailureCode.INVALID_CONTENT, "The court answered with something else where it lists a PDF."
            )
        # Only now: what stands in a document's place is nearly always shorter than the document.
        if self._declared_size is not None and self.size_bytes < self._declared_size:
            raise DocumentFailure(
                FailureCode.TRUNCATED,
                f"The court sent {self.size_bytes} of the {self._declared_size} bytes that it lists.",
            )
        if self.head.startswith(_PDF_MARK) and b"%%EOF" not in self._tail:
            raise DocumentFailure(FailureCode.TRUNCATED, "The PDF has no end mark.")
