"""What kind of file some bytes are, by puremagic and by what the courts are known to send."""

from __future__ import annotations

import re

import puremagic

from domain.media_types import normalised_type

_HTML = re.compile(
    rb"\s*(?:<\?xml[^>]*\?>\s*)?<(?:!doctype html|html|head|body|div|p|span|table|center|style|h[1-6]|meta)\b",
    re.IGNORECASE,
)
# CMS signedData (RFC 5652): a DER or BER sequence that begins with this object identifier.
_PKCS7 = re.compile(
    rb"\x30(?:\x80|[\x00-\x7f]|\x81.|\x82..|\x83...|\x84....)\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02",
    re.DOTALL,
)
_PDF_MARK = b"%PDF-"
_PDF_MARK_WITHIN = 1024
_OPEN_DOCUMENT = re.compile(rb"mimetype(application/vnd\.oasis\.opendocument\.[a-z-]+)")
_OFFICE_FOLDERS = {
    b"word/": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    b"xl/": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    b"ppt/": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
}
_UNKNOWN = "application/octet-stream"


def media_type_of(head: bytes, declared: str | None, is_text: bool) -> str:
    """Return the media type of a document: what its bytes say first, then what the court declared.

    Args:
        head: The first bytes, a few kilobytes.
        declared: The listing's media type, if it has one.
        is_text: The bytes come from the court's plain text of the document.
    """
    if is_text:
        return "text/plain"
    if head.startswith(b"PK\x03\x04"):
        return _archive_type(head, declared)
    return file_kind(head) or normalised_type(declared) or _UNKNOWN


def file_kind(head: bytes) -> str | None:
    """Return the media type that the bytes themselves tell. None for plain text and for no known kind.

    A signed file (PKCS #7) is looked for before what it may hold.
    """
    if head.startswith(_PDF_MARK):
        return "application/pdf"
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
    if _PDF_MARK in head[:_PDF_MARK_WITHIN]:
        # The mark need not come first (ISO 32000, annex H): some tools write a line before it.
        return "application/pdf"
    return _sniffed(head)


def _archive_type(head: bytes, declared: str | None) -> str:
    # Office's files are archives; what tells them apart are the first names inside.
    open_document = _OPEN_DOCUMENT.match(head, 30)
    if open_document:
        return open_document[1].decode()
    if b"[Content_Types].xml" in head:
        for folder, media_type in _OFFICE_FOLDERS.items():
            if folder in head:
                return media_type
        if (stated := normalised_type(declared)) in _OFFICE_FOLDERS.values():
            return str(stated)
    return "application/zip"


def _sniffed(head: bytes) -> str | None:
    try:
        matches = puremagic.magic_string(head)
    except (puremagic.PureError, ValueError):
        return None
    # Two bytes that fit by accident make no media type.
    sure = (match for match in matches if match.mime_type and match.confidence >= 0.4)
    return next((match.mime_type for match in sure), None)
