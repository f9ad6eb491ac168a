"""Cleaning text that comes from outside."""

from __future__ import annotations

import unicodedata


def printable(text: str) -> str:
    """Return the text in one line, without characters that control how it is shown or stored.

    Line breaks, tabs and unusual spaces become spaces. Control characters (C0 and C1), format characters (such as
    bidirectional overrides), lone surrogates and unassigned code points are removed.
    """
    if text.isprintable():
        return text.strip()
    shown = (character if character.isprintable() else " " if character.isspace() else "" for character in text)
    return "".join(shown).strip()


def without_format_characters(text: str) -> str:
    """Return the text without invisible characters of Unicode category Cf.

    These are zero-width characters, soft hyphens, direction marks and the byte order mark, as copied text has them.
    """
    return "".join(character for character in text if unicodedata.category(character) != "Cf")


def counted(number: int, noun: str, plural: str = "") -> str:
    """Return a number with its noun: ``1 document``, ``2 documents``.

    Args:
        number: The number.
        noun: The noun in the singular.
        plural: The plural, where it is not the singular with an ``s``.
    """
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"


def fold(text: str) -> str:
    """Return the text for comparisons that ignore case, accents and runs of blanks: ``peticao inicial``."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    plain = "".join(character for character in decomposed if not unicodedata.combining(character))
    return " ".join(printable(plain).split())
