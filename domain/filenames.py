"""Safe file names for documents, made from any Unicode name."""

from __future__ import annotations

import mimetypes
import re
import unicodedata
from pathlib import PurePosixPath
from urllib.parse import quote

from domain.media_types import bare_media_type

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

# For `numbered_filename`.
_MIN_DIGITS = 3
_SUFFIX = re.compile(r"\.[A-Za-z0-9]{1,5}")
# Without this machine's own tables, so that a document has the same name everywhere.
_KNOWN_TYPES = mimetypes.MimeTypes(filenames=())
for _type in (
    "application/rtf",
    "application/pkcs7-signature",
    "application/vnd.oasis.opendocument.text",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "audio/ogg",
):
    _KNOWN_TYPES.add_type(_type, _EXTENSIONS[_type])


def file_extension(media_type: str) -> str:
    """Return the file extension of a media type with its dot. ``.bin`` for a type that is not in our table."""
    return _EXTENSIONS.get(bare_media_type(media_type), ".bin")


def safe_filename(name: str | None, *, fallback: str, media_type: str) -> str:
    """Return a name that is a visible, valid file name on every system and has the right extension.

    Letters of any script are kept. Separators, control characters and direction marks, names that Windows reserves,
    leading dots and excess length are removed or replaced.

    Args:
        name: The name as the court states it.
        fallback: Used if nothing is left of the name.
        media_type: Decides the extension, unless the name already has one that fits.
    """
    text = _visible(name or "")
    ending = file_extension(media_type)
    stem, dot, suffix = text.rpartition(".")
    if stem and _extension_fits(f"{dot}{suffix}".lower(), bare_media_type(media_type)):
        text, ending = stem.rstrip(". "), f"{dot}{suffix}"
    text = text.encode()[:_MAX_BYTES].decode(errors="ignore").rstrip(". ")
    if not text:
        text = fallback
    if text.partition(".")[0].rstrip().lower() in _DEVICES:
        text = f"_{text}"
    return text + ending


def number_width(documents: int) -> int:
    """Return how many digits a document's number has in a process with so many documents."""
    return max(_MIN_DIGITS, len(str(documents)))


def numbered_filename(
    number: int, name: str | None, type_name: str | None, media_type: str, *, digits: int = _MIN_DIGITS
) -> str:
    """Return ``NNN - name.ext``, the name under which `autos get` saves a document.

    The client has this rule too, because it imports nothing of ours. A test compares both.

    Args:
        number: The document's place among those of its process, from 1.
        name: The name as the court states it.
        type_name: Used if there is no name.
        media_type: Decides the extension, unless the name has one that fits.
        digits: The width of the number, padded with zeros.
    """
    text = _visible(name or type_name or "")
    stem, ending = _split_extension(text, bare_media_type(media_type))
    stem = stem.encode()[:_MAX_BYTES].decode(errors="ignore").rstrip(". ")
    return f"{number:0{digits}d} - {stem or 'document'}{ending}"


def _split_extension(name: str, media_type: str) -> tuple[str, str]:
    """Return a name's stem, and its own extension if that fits the media type, otherwise the type's."""
    path = PurePosixPath(name)
    own = path.suffix if _SUFFIX.fullmatch(path.suffix) else ""
    default = _KNOWN_TYPES.guess_extension(media_type)
    if own and (default is None or _KNOWN_TYPES.guess_type(f"x{own.lower()}")[0] == media_type):
        return path.stem, own
    return name, default or ".bin"


def _visible(name: str) -> str:
    """Return a name in one line, without characters that are invisible or reserved in file systems."""
    composed = unicodedata.normalize("NFC", name)
    kept = "".join(
        "_" if character in _RESERVED else " " if character.isspace() else character
        for character in composed
        # Category C: control characters, direction marks, surrogates, unassigned code points.
        if character.isspace() or not unicodedata.category(character).startswith("C")
    )
    return " ".join(kept.split()).strip(". ")


def _extension_fits(ending: str, media_type: str) -> bool:
    """Return whether a name's own extension says the same as the media type, or something more specific."""
    ending = _ALIASES.get(ending, ending)
    if ending == _EXTENSIONS.get(media_type) or ending in _GENERIC_TYPES.get(media_type, ()):
        return True
    # Related formats share their first bytes, such as WMV and ASF.
    family = media_type.partition("/")[0]
    return family in ("audio", "image", "video") and _TYPES.get(ending, "").startswith(f"{family}/")


def content_disposition(filename: str, *, inline: bool = False) -> str:
    """Return the ``Content-Disposition`` of a file with this name (RFC 6266, RFC 8187).

    Args:
        filename: The name under which browsers save it.
        inline: Browsers show it instead of saving it.
    """
    plain = unicodedata.normalize("NFKD", filename).encode("ascii", "ignore").decode()
    # After NFKD, which turns compatibility forms into plain ones, such as a full-width quotation mark.
    plain = "".join(
        "_" if character in '"/\\%' or not character.isprintable() else character for character in plain
    )
    value = f'{"inline" if inline else "attachment"}; filename="{plain}"'
    if plain != filename:
        value += f"; filename*=UTF-8''{quote(filename, safe='')}"
    return value
