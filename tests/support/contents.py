"""Bytes of documents, and documents that are being downloaded."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator

from domain.content import DocumentContent, Expected

PDF_HEAD = b"%PDF-1.4\n"
PDF_TAIL = b"\nstartxref\n9\n%%EOF\n"


def pdf_of(size_bytes: int) -> bytes:
    """Return bytes that begin and end as a PDF, of exactly this size, without repetitions."""
    filler = hashlib.shake_256(b"filler").digest(size_bytes - len(PDF_HEAD) - len(PDF_TAIL))
    return PDF_HEAD + filler + PDF_TAIL


async def _chunks(body: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(body), size):
        yield body[start : start + size]


def content_of(body: bytes, *, declared_size: int | None = None, chunk_bytes: int = 65_536) -> DocumentContent:
    """Return the content of a document that arrives in chunks of this size."""
    expected = Expected(size_bytes=declared_size)
    return DocumentContent(_chunks(body, chunk_bytes), expected=expected, max_bytes=2**40)
