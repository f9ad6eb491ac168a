"""Text that comes from outside."""

from __future__ import annotations


def printable(text: str) -> str:
    """Return the text in one line, without characters that control how it is shown or stored.

    Line breaks, tabs and unusual spaces become spaces. Removed are control characters (C0 and C1), format
    characters (the bidirectional overrides among them), lone surrogates, and what Unicode does not assign.
    """
    if text.isprintable():
        return text.strip()
    shown = (character if character.isprintable() else " " if character.isspace() else "" for character in text)
    return "".join(shown).strip()
