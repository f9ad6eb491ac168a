"""Normalization of the media types that the court's systems state."""

from __future__ import annotations

import re

# The data lake's spelling of media types, such as APPLICATION_PDF. The portal's listings may contain it too.
_ENUM_STYLE = re.compile(r"(APPLICATION|AUDIO|IMAGE|TEXT|VIDEO)_([A-Z0-9_]+)")


def bare_media_type(media_type: str) -> str:
    """Return a media type in lower case, without its parameters."""
    return media_type.partition(";")[0].strip().lower()


def normalize_media_type(declared: str | None) -> str | None:
    """Return a stated media type in its standard form. None if it is not a media type."""
    if not declared:
        return None
    match = _ENUM_STYLE.fullmatch(declared)
    text = f"{match[1]}/{match[2]}" if match else declared
    text = bare_media_type(text)
    if text == "text/richtext":
        return "application/rtf"
    return text if re.fullmatch(r"[a-z0-9.+-]+/[a-z0-9.+-]+", text) else None
