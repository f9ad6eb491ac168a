"""Detection of media types from first bytes, by puremagic and by rules for what courts are known to send."""

from __future__ import annotations

import re

import puremagic

from domain.content import has_pdf_header
from domain.media_types import normalize_media_type

_HTML = re.compile(
    rb"\s*(?:<\?xml[^>]*\?>\s*)?<(?:!doctype html|html|head|body|div|p|span|table|center|style|h[1-6]|meta)\b",
    re.IGNORECASE,
)
# CMS signedData (RFC 5652): a DER or BER sequence that starts with this object identifier.
_PKCS7 = re.compile(
    rb"\x30(?:\x80|[\x00-\x7f]|\x81.|\x82..|\x83...|\x84....)\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02",
    re.DOTALL,
)
_OPEN_DOCUMENT = re.compile(rb"mimetype(application/vnd\.oasis\.opendocument\.[a-z-]+)")
_OFFICE_FOLDERS = {
    b"word/": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    b"xl/": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    b"ppt/": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
}
_UNKNOWN = "application/octet-stream"
_PDF = "application/pdf"
_TEXT = "text/plain"
# The binary data bytes of the MIME Sniffing Standard of WHATWG, section 3. Text of any usual encoding has none.
_BINARY_BYTES = frozenset({*range(0x09), 0x0B, *range(0x0E, 0x1B), *range(0x1C, 0x20)})


def choose_media_type(head: bytes, declared: str | None, is_text: bool) -> str:
    """Return the media type of a document: the one of its bytes or, if unknown, the one that the court declared.

    Only bytes with a PDF header are a PDF. What is declared as nothing and has no binary byte is plain text, as in
    the MIME Sniffing Standard of WHATWG.

    Args:
        head: The first bytes, a few kilobytes.
        declared: The media type in the listing, if any.
        is_text: The bytes come from the court's plain text of the document.
    """
    if is_text:
        return _TEXT
    if head.startswith(b"PK\x03\x04"):
        return _archive_type(head, declared)
    detected, stated = detect_media_type(head), normalize_media_type(declared)
    if detected is None and stated == _PDF:
        # A PDF is known by its header alone, because browsers open what we call one.
        return _UNKNOWN
    return detected or stated or (_TEXT if head and _BINARY_BYTES.isdisjoint(head) else _UNKNOWN)


def detect_media_type(head: bytes) -> str | None:
    """Detect the media type from the first bytes. None for plain text and unknown formats.

    A signed file (PKCS #7) is detected before the format of the file that it may contain.
    """
    if head.startswith(b"%PDF-"):
        return _PDF
    if head.startswith(b"{\\rtf"):
        return "application/rtf"
    if _PKCS7.match(head) or head.startswith(b"-----BEGIN PKCS7-----"):
        return "application/pkcs7-signature"
    if _HTML.match(head.removeprefix(b"\xef\xbb\xbf")):
        return "text/html"
    if head.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if head.startswith(b"PK\x03\x04"):
        return _archive_type(head, None)
    if has_pdf_header(head):
        return _PDF
    return _detect_with_puremagic(head)


def _archive_type(head: bytes, declared: str | None) -> str:
    # Office files are ZIP archives. The first file names inside show which kind it is.
    open_document = _OPEN_DOCUMENT.match(head, 30)
    if open_document:
        return open_document[1].decode()
    if b"[Content_Types].xml" in head:
        for folder, media_type in _OFFICE_FOLDERS.items():
            if folder in head:
                return media_type
        if (stated := normalize_media_type(declared)) in _OFFICE_FOLDERS.values():
            return str(stated)
    return "application/zip"


def _detect_with_puremagic(head: bytes) -> str | None:
    try:
        matches = puremagic.magic_string(head)
    except (puremagic.PureError, ValueError):
        return None
    # Low confidence: two bytes may match by accident.
    confident = (match.mime_type for match in matches if match.mime_type and match.confidence >= 0.4)
    return next((media_type for media_type in confident if media_type != _PDF), None)
