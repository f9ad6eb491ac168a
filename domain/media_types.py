"""Media types as the court's systems state them, in their usual spelling."""

from __future__ import annotations

import re

# The data lake's words for media types, which the portal's listings may carry too.
_ENUM_STYLE = re.compile(r"(APPLICATION|AUDIO|IMAGE|TEXT|VIDEO)_([A-Z0-9_]+)")


def normalised_type(declared: str | None) -> str | None:
    """Return a stated media type in its usual spelling. None if it is none."""
    if not declared:
        return None
    match = _ENUM_STYLE.fullmatch(declared)
    text = f"{match[1]}/{match[2]}" if match else declared
    text = text.partition(";")[0].strip().lower()
    if text == "text/richtext":
        return "application/rtf"
    return text if re.fullmatch(r"[a-z0-9.+-]+/[a-z0-9.+-]+", text) else None
