"""Parse the court's ``nivelSigilo``. A value that is stated but not recognized counts as the strictest level."""

from __future__ import annotations

import reprlib
from collections.abc import Iterable, Mapping

from domain.secrecy import Secrecy, strictest
from domain.text import printable

_BY_WORD = {
    "PUBLICO": Secrecy.PUBLIC,
    "SEGREDO_JUSTICA": Secrecy.JUSTICE_SECRET,
    "SIGILO_MINIMO": Secrecy.MINIMUM,
    "SIGILO_MEDIO": Secrecy.MEDIUM,
    "SIGILO_INTENSO": Secrecy.INTENSE,
    "SIGILO_ABSOLUTO": Secrecy.ABSOLUTE,
}
_BY_NUMBER = dict(enumerate(_BY_WORD.values()))
# Documents have words and processes have numbers, but the numbers may come as strings too.
_BY_STRING = _BY_WORD | {str(number): level for number, level in _BY_NUMBER.items()}
# How the keys begin that mark something as sealed: `sigilosa`, `sigiloso`, `sigilo`, `segredoJustica`.
_MARKS = ("sigil", "segredo")
_MAX_LOGGED_CHARACTERS = 40
_MAX_LOGGED_VALUES = 20


def parse_secrecy(value: object) -> Secrecy:
    """Return the level that a ``nivelSigilo`` states. Pure.

    Only an exact word or number is recognized. Nothing is trimmed, rounded or guessed, because a guess might open
    what the court has sealed. None, which is the same as a missing key, states no level: the result is ``UNKNOWN``.
    """
    if value is None:
        return Secrecy.UNKNOWN
    # The exact type matters: True equals 1 and 0.0 equals 0, but neither is a level.
    if type(value) is int:
        return _BY_NUMBER.get(value, Secrecy.UNRECOGNIZED)
    if type(value) is str:
        return _BY_STRING.get(value, Secrecy.UNRECOGNIZED)
    return Secrecy.UNRECOGNIZED


class SecrecyParser:
    """Parses the levels of one listing and collects the values that it does not recognise.

    Attributes:
        unrecognized: The unrecognized values as keys: their type and first characters, each once, 20 at most.
    """

    def __init__(self) -> None:
        self.unrecognized: dict[str, None] = {}

    def parse_strictest(self, *values: object) -> Secrecy:
        """Return the strictest level that any of the values states."""
        return strictest(self._parse_each(values))

    def parse_stated(self, item: Mapping[str, object]) -> Secrecy:
        """Return the strictest level that a movement, a party or a lawyer states.

        Its level is in ``nivelSigilo``. A mark, such as ``sigilosa``, is in a key that begins with ``sigil`` or
        ``segredo``: false opens, true closes, and every other value is not recognized.
        """
        levels = [self.parse_strictest(item.get("nivelSigilo"))]
        for key, value in item.items():
            if key.lower().startswith(_MARKS):
                levels += [] if value is None or value is False else [self._parse_mark(value)]
        return strictest(levels)

    def _parse_mark(self, value: object) -> Secrecy:
        if value is True:
            return Secrecy.JUSTICE_SECRET
        # Also a word or a number that `nivelSigilo` would open with: here it is not known what it means.
        self._note(value)
        return Secrecy.UNRECOGNIZED

    def _parse_each(self, values: Iterable[object]) -> Iterable[Secrecy]:
        for value in values:
            level = parse_secrecy(value)
            if level is Secrecy.UNRECOGNIZED:
                self._note(value)
            yield level

    def _note(self, value: object) -> None:
        if len(self.unrecognized) < _MAX_LOGGED_VALUES:
            self.unrecognized[_describe(value)] = None


def _describe(value: object) -> str:
    """Return the value's type and at most 40 of its printable characters. For a list or object, only its size."""
    if isinstance(value, list | dict):
        return f"{type(value).__name__} of {len(value)}"
    text = value[: 2 * _MAX_LOGGED_CHARACTERS] if isinstance(value, str) else reprlib.repr(value)
    return f"{type(value).__name__} {printable(text)[:_MAX_LOGGED_CHARACTERS]}".strip()
