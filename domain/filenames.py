"""Names for files and links: any Unicode name in, a harmless one out."""

from __future__ import annotations

import unicodedata
from urllib.parse import quote

_EXTENSIONS = {
    "application/pdf": ".pdf",
    "application/rtf": ".rtf",
    "application/zip": ".zip",
    "application/xml": ".xml",
    "application/json": ".json",
    "application/msword": ".doc",
    "application/pkcs7-signature": ".p7s",
    "application/vnd.oasis.opendocument.text": ".odt",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": ".docx",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": ".xlsx",
    "audio/mpeg": ".mp3",
    "audio/ogg": ".ogg",
    "audio/wav": ".wav",
    "image/gif": ".gif",
    "image/jpeg": ".jpg",
    "image/png": ".png",
    "image/tiff": ".tiff",
    "text/html": ".html",
    "text/plain": ".txt",
    "text/xml": ".xml",
    "video/mp4": ".mp4",
    "video/quicktime": ".mov",
    "video/webm": ".webm",
}
_ALIASES = {".htm": ".html", ".jpeg": ".jpg", ".tif": ".tiff"}

# Characters that a file system or a shell gives a meaning of its own.
_RESERVED = frozenset('/\\:*?"<>|')
# Windows's devices, which open under any extension.
_DEVICES = frozenset(
    {
        *("con", "prn", "aux", "nul", "conin$", "conout$"),
        *(f"{port}{digit}" for port in ("com", "lpt") for digit in "0123456789\u00b9\u00b2\u00b3"),
    }
)
_MAX_BYTES = 180


def extension(media_type: str) -> str:
    """The file extension of a media type with its dot; ``.bin`` for one that is not in our table."""
    return _EXTENSIONS.get(media_type.partition(";")[0].strip().lower(), ".bin")


def safe_filename(name: str | None, *, fallback: str, media_type: str) -> str:
    """A name that is a single, visible, storable file name on every system and ends in the right extension.

    Letters of any script stay. Separators, control and direction-changing characters, names that Windows
    reserves, leading dots and overlong names do not.

    Args:
        name: the name as the court gives it.
        fallback: used when nothing is left of the name.
        media_type: decides the extension, unless the name has that one already.
    """
    composed = unicodedata.normalize("NFC", name or "")
    kept = "".join(
        "_" if character in _RESERVED else " " if character.isspace() else character
        for character in composed
        # Category C: controls, direction marks, surrogates, unassigned.
        if character.isspace() or not unicodedata.category(character).startswith("C")
    )
    text = " ".join(kept.split()).strip(". ")
    ending = extension(media_type)
    stem, dot, suffix = text.rpartition(".")
    written = f"{dot}{suffix}".lower()
    if stem and _ALIASES.get(written, written) == ending:
        text, ending = stem.rstrip(". "), f"{dot}{suffix}"
    text = text.encode()[:_MAX_BYTES].decode(errors="ignore").rstrip(". ")
    if not text:
        text = fallback
    if text.partition(".")[0].rstrip().lower() in _DEVICES:
        text = f"_{text}"
    return text + ending


def content_disposition(filename: str) -> str:
    """The header that makes a browser save a file under its name (RFC 6266, RFC 8187): never shown inline."""
    plain = unicodedata.normalize("NFKD", filename).encode("ascii", "ignore").decode()
    # By now compatibility forms are plain characters: a full-width quotation mark is one like any other.
    plain = "".join(
        "_" if character in '"/\\%' or not character.isprintable() else character for character in plain
    )
    value = f'attachment; filename="{plain}"'
    if plain != filename:
        value += f"; filename*=UTF-8''{quote(filename, safe='')}"
    return value
