"""From the court's ``nivelSigilo`` to a level of secrecy: what is stated but not understood is the strictest."""

from __future__ import annotations

import reprlib
from collections.abc import Iterable

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
# Documents have words and processes numbers, but either may come as text.
_BY_TEXT = _BY_WORD | {str(number): level for number, level in _BY_NUMBER.items()}
_LOGGED_CHARACTERS = 40
_LOGGED_VALUES = 20


def level_of(value: object) -> Secrecy:
    """Return the level that a ``nivelSigilo`` states. Pure.

    Only an exact word or number is understood: nothing is trimmed, rounded or guessed, because the guess might open
    what the court has closed. None, which is the same as a missing key, states nothing.
    """
    if value is None:
        return Secrecy.UNKNOWN
    # By exact type: True equals 1 and 0.0 equals 0, but neither is a level.
    if type(value) is int:
        return _BY_NUMBER.get(value, Secrecy.UNRECOGNIZED)
    if type(value) is str:
        return _BY_TEXT.get(value, Secrecy.UNRECOGNIZED)
    return Secrecy.UNRECOGNIZED


class SecrecyLevels:
    """Reads the levels of one listing and remembers those that it does not understand.

    Attributes:
        unrecognized: what was not understood, by type and beginning; each value once, and only the first few.
    """

    def __init__(self) -> None:
        self.unrecognized: dict[str, None] = {}

    def read(self, *values: object) -> Secrecy:
        """Return the strictest level that the values state."""
        return strictest(self._read(values))

    def _read(self, values: Iterable[object]) -> Iterable[Secrecy]:
        for value in values:
            level = level_of(value)
            if level is Secrecy.UNRECOGNIZED and len(self.unrecognized) < _LOGGED_VALUES:
                self.unrecognized[_described(value)] = None
            yield level


def _described(value: object) -> str:
    """Return the value's type and at most 40 printable characters of it; of a list or object, only its size."""
    if isinstance(value, list | dict):
        return f"{type(value).__name__} of {len(value)}"
    text = value[: 2 * _LOGGED_CHARACTERS] if isinstance(value, str) else reprlib.repr(value)
    return f"{type(value).__name__} {printable(text)[:_LOGGED_CHARACTERS]}".strip()
