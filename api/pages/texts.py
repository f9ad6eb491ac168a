"""The languages of the pages, and their texts: a module for each language."""

from __future__ import annotations

from enum import StrEnum

from api.pages import texts_english, texts_portuguese


class Language(StrEnum):
    """The languages of the pages, by their language tags."""

    ENGLISH = "en"
    PORTUGUESE = "pt-BR"


def preferred_language(accept_language: str | None) -> Language:
    """Return the language that the browser prefers, by the weights in the header. English if it names neither."""
    weighted = []
    for index, item in enumerate((accept_language or "").split(",")):
        tag, _, parameters = item.partition(";")
        weight = parameters.partition("=")[2].strip() or "1"
        try:
            weighted.append((-float(weight), index, tag.strip().lower().partition("-")[0]))
        except ValueError:
            continue
    for negated, _, tag in sorted(weighted):
        if negated < 0 and tag in ("pt", "en"):
            return Language.PORTUGUESE if tag == "pt" else Language.ENGLISH
    return Language.ENGLISH


TEXTS = {Language.ENGLISH: texts_english.TEXTS, Language.PORTUGUESE: texts_portuguese.TEXTS}
