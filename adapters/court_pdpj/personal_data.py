"""What of a person is never kept: the numbers of taxpayers (CPF and CNPJ), also inside names and texts."""

from __future__ import annotations

import re

# With punctuation, a CPF or a CNPJ is unmistakable. A CNPJ may have letters.
_PUNCTUATED = re.compile(
    r"(?<![0-9A-Za-z])(?:[0-9]{3}\.[0-9]{3}\.[0-9]{3}-[0-9]{2}"
    r"|[0-9A-Z]{2}\.[0-9A-Z]{3}\.[0-9A-Z]{3}/[0-9A-Z]{4}-[0-9]{2})(?![0-9A-Za-z])"
)
# In a name, also without punctuation: a sole trader's firm is registered as the name and the CPF.
_IN_NAMES = re.compile(
    r"(?<![0-9A-Za-z])(?:[0-9]{2}[. ]?[0-9]{3}[. ]?[0-9]{3}(?:/?[0-9]{4}[- ]?[0-9]{2})?"
    r"|[0-9]{3}[. ]?[0-9]{3}[. ]?[0-9]{3}[-. ]?[0-9]{2}|[0-9A-Z]{8}[0-9]{6})(?![0-9A-Za-z])"
)
# After its label, in any form, and also if it touches the label.
_LABELLED = re.compile(
    r"(\b(?i:CPF|CNPJ)s?(?:/MF)?(?:[\s.:;,()\[\]nNº°o-]|sob){0,20})"
    r"(?:[0-9]{2}[. ]?[0-9]{3}[. ]?[0-9]{3}[/ ]?[0-9]{4}[- ]?[0-9]{2}|[0-9A-Z]{12}[0-9]{2}"
    r"|[0-9A-Z]{2}\.[0-9A-Z]{3}\.[0-9A-Z]{3}/[0-9A-Z]{4}-[0-9]{2}"
    r"|[0-9]{3}[. ]?[0-9]{3}[. ]?[0-9]{3}[-./ ]?[0-9]{2})(?![0-9A-Za-z])"
)
_LABEL = re.compile(r"[\s,;:(\[/-]*\b(?:CPF|CNPJ)(?:/MF)?\b[\s.:;nº°)\]-]*$", re.IGNORECASE)


def without_taxpayer_numbers(text: str) -> str:
    """Return a text without CPFs and CNPJs that are punctuated or labelled. Other long numbers stay.

    They may be of documents.
    """
    return _PUNCTUATED.sub("", _LABELLED.sub(r"\1", text)).strip()


def without_numbers_in_name(name: str) -> str:
    """Return the name of a person or a firm without any CPF or CNPJ in it."""
    if not any(character.isdigit() for character in name):
        return name
    return _LABEL.sub("", _IN_NAMES.sub("", _PUNCTUATED.sub("", _LABELLED.sub(r"\1", name)))).strip(" -,;/()[]")
