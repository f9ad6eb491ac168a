"""The texts of the commands in the user's language: English, or Portuguese where the locale says so.

The English text is the key, so that the code can be read; ``portuguese`` has the other side. The language is chosen
when the program starts, because Typer reads help texts when modules are imported. JSON, field names, codes and
what the API seldom says are not translated.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from enum import StrEnum

from autos_client_cli.portuguese import PORTUGUESE
from autos_client_cli.portuguese_problems import PORTUGUESE_PROBLEMS


class Language(StrEnum):
    """The languages of the commands."""

    ENGLISH = "en"
    PORTUGUESE = "pt"


def preferred_language(environment: Mapping[str, str]) -> Language:
    """Return the language that the environment asks for: ``AUTOS_LANG``, or the locale of messages."""
    for name in ("AUTOS_LANG", "LC_ALL", "LC_MESSAGES", "LANG"):
        if value := environment.get(name):
            return Language.PORTUGUESE if value.lower().startswith("pt") else Language.ENGLISH
    return Language.ENGLISH


LANGUAGE = preferred_language(os.environ)


def t(english: str, **values: object) -> str:
    """Return a text in the user's language, with values for its ``{placeholders}``."""
    text = PORTUGUESE[english] if LANGUAGE is Language.PORTUGUESE else english
    return text.format(**values) if values else text


def problem_in_users_language(code: str) -> str | None:
    """Return what a problem of the API means. None if only the API's own English words say it."""
    return PORTUGUESE_PROBLEMS.get(code) if LANGUAGE is Language.PORTUGUESE else None
