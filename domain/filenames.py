"""Safe file names for documents, made from any Unicode name."""

from __future__ import annotations

import unicodedata
from urllib.parse import quote

_EXTENSIONS = {
    "application/gzip": ".gz",
    "application/json": ".json",
    "application/msword": ".doc",
    "application/pdf": ".pdf",
    "application/pkcs7-mime": ".p7m",
    "application/pkcs7-signature": ".p7s",
    "application/rtf": ".rtf",
    "application/vnd.ms-excel": ".xls",
    "application/vnd.ms-outlook": ".msg",
    "application/vnd.ms-powerpoint": ".ppt",
    "application/vnd.oasis.opendocument.spreadsheet": ".ods",
    "application/vnd.oasis.opendocument.text": ".odt",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation": ".pptx",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": ".xlsx",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": ".docx",
    "application/vnd.rar": ".rar",
    "application/x-7z-compressed": ".7z",
    "application/xml": ".xml",
    "application/zip": ".zip",
    "audio/aac": ".aac",
    "audio/amr": ".amr",
    "audio/mp4": ".m4a",
    "audio/mpeg": ".mp3",
    "audio/ogg": ".ogg",
    "audio/opus": ".opus",
    "audio/wav": ".wav",
    "audio/x-ms-wma": ".wma",
    "image/bmp": ".bmp",
    "image/gif": ".gif",
    "image/heic": ".heic",
    "image/jpeg": ".jpg",
    "image/png": ".png",
    "image/tiff": ".tiff",
    "image/webp": ".webp",
    "message/rfc822": ".eml",
    "text/csv": ".csv",
    "text/html": ".html",
    "text/plain": ".txt",
    "text/xml": ".xml",
    "video/3gpp": ".3gp",
    "video/mp4": ".mp4",
    "video/mpeg": ".mpg",
    "video/quicktime": ".mov",
    "video/webm": ".webm",
    "video/x-matroska": ".mkv",
    "video/x-ms-wmv": ".wmv",
    "video/x-msvideo": ".avi",
}
_ALIASES = {".htm": ".html", ".jpeg": ".jpg", ".tif": ".tiff", ".mpeg": ".mpg"}
_TYPES = {ending: media_type for media_type, ending in _EXTENSIONS.items()}
# Bytes, text or an archive may be of the more specific type that the name's extension says. HTML is excluded,
# because a browser would open it.
_GENERIC_TYPES = {
    "application/octet-stream": frozenset(_TYPES) - {".html"},
    "application/xml": frozenset({".xml"}),
    "application/zip": frozenset({".docx", ".xlsx", ".pptx", ".odt", ".ods"}),
    "text/plain": frozenset({".csv", ".eml", ".json", ".xml"}),
}

# Characters with a special meaning in a file system or a shell.
_RESERVED = frozenset('/\\:*?"<>|')
# Device names of Windows, which are reserved with any extension.
_DEVICES = frozenset(
    {
        *("con", "prn", "aux", "nul", "conin$", "conout$"),
        *(f"{port}{digit}" for port in ("com", "lpt") for digit in "0123456789\u00b9\u00b2\u00b3"),
    }
)
_MAX_BYTES = 180


def file_extension(media_type: str) -> str:
    """Return the file extension of a media type with its dot. ``.bin`` for a type that is not in our table."""
    return _EXTENSIONS.get(media_type.partition(";")[0].strip().lower(), ".bin")


def safe_filename(name: str | None, *, fallback: str, media_type: str) -> str:
    """Return a name that is a visible, valid file name on every system and has the right extension.

    Letters of any script are kept. Separators, control characters and direction marks, names that Windows reserves,
    leading dots and excess length are removed or replaced.

    Args:
        name: The name as the court states it.
        fallback: Used if nothing is left of the name.
        media_type: Decides the extension, unless the name already has one that fits.
    """
    composed = unicodedata.normalize("NFC", name or "")
    kept = "".join(
        "_" if character in _RESERVED else " " if character.isspace() else character
        for character in composed
        # Category C: control characters, direction marks, surrogates, unassigned code points.
        if character.isspace() or not unicodedata.category(character).startswith("C")
    )
    text = " ".join(kept.split()).strip(". ")
    ending = file_extension(media_type)
    stem, dot, suffix = text.rpartition(".")
    if stem and _extension_fits(f"{dot}{suffix}".lower(), media_type.partition(";")[0].strip().lower()):
        text, ending = stem.rstrip(". "), f"{dot}{suffix}"
    text = text.encode()[:_MAX_BYTES].decode(errors="ignore").rstrip(". ")
    if not text:
        text = fallback
    if text.partition(".")[0].rstrip().lower() in _DEVICES:
        text = f"_{text}"
    return text + ending


def _extension_fits(ending: str, media_type: str) -> bool:
    """Return whether a name's own extension says the same as the media type, or something more specific."""
    ending = _ALIASES.get(ending, ending)
    if ending == _EXTENSIONS.get(media_type) or ending in _GENERIC_TYPES.get(media_type, ()):
        return True
    # Related formats share their first bytes, such as WMV and ASF.
    family = media_type.partition("/")[0]
    return family in ("audio", "image", "video") and _TYPES.get(ending, "").startswith(f"{family}/")


def content_disposition(filename: str) -> str:
    """Return the ``Content-Disposition`` that makes browsers save a file under its name (RFC 6266, RFC 8187)."""
    plain = unicodedata.normalize("NFKD", filename).encode("ascii", "ignore").decode()
    # After NFKD, which turns compatibility forms into plain ones, such as a full-width quotation mark.
    plain = "".join(
        "_" if character in '"/\\%' or not character.isprintable() else character for character in plain
    )
    value = f'attachment; filename="{plain}"'
    if plain != filename:
        value += f"; filename*=UTF-8''{quote(filename, safe='')}"
    return value
