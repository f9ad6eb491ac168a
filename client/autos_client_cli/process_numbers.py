"""The CNJ process number (Resolução CNJ 65/2008), read as the service reads it.

A command checks all of its numbers before it sends the first one. The service has the same rules in its domain;
a test compares the two.
"""

from __future__ import annotations

import re
import unicodedata

from autos_client_cli.errors import CommandError, ExitCode
from autos_client_cli.texts import t

# Punctuation or blanks may stand between the parts, as people's tools change them.
_SEPARATOR = r"[^\w]{0,3}"
# ASCII only: ``\d`` would admit digits of other scripts.
_NUMBER = re.compile(
    _SEPARATOR.join((r"([0-9]{1,7})", r"([0-9]{2})", r"([0-9]{4})", r"([0-9])", r"([0-9]{2})", r"([0-9]{4})"))
)
_LONGEST_TEXT = 200
_SEQUENCE_DIGITS = 7
_COURTS = frozenset(
    {
        *("1.00", "2.00", "3.00", "4.90", "5.00", "5.90", "6.00", "7.00", "9.13", "9.21", "9.26"),
        *(
            f"{segment}.{court:02}"
            for segment, courts in ((4, 6), (5, 24), (6, 27), (7, 12), (8, 27))
            for court in range(1, courts + 1)
        ),
    }
)


def canonical_number(text: str) -> str:
    """Return a process number with its punctuation, ``NNNNNNN-DD.AAAA.J.TR.OOOO``.

    Accepts what people paste: punctuation missing or changed, words around the number, and zeros lost at its
    beginning, as in spreadsheets. The check digits (ISO 7064 mod 97-10) make that safe.

    Raises:
        CommandError: The text holds no number, more than one, or one with wrong check digits.
    """
    # Category Cf: soft hyphens, zero-width characters, direction marks, a byte order mark.
    visible = "".join(character for character in text if unicodedata.category(character) != "Cf")
    match = _NUMBER.search(visible)
    rest = visible if match is None else visible[: match.start()] + visible[match.end() :]
    if match is None or len(text) > _LONGEST_TEXT or any(character.isdigit() for character in rest):
        raise _not_a_number(text)
    sequence, check_digits, year, segment, court, unit = match.groups()
    has_lost_zeros = len(sequence) < _SEQUENCE_DIGITS
    sequence = sequence.zfill(_SEQUENCE_DIGITS)
    expected = f"{98 - int(f'{sequence}{year}{segment}{court}{unit}00') % 97:02}"
    given = f"{sequence}-{check_digits}.{year}.{segment}.{court}.{unit}"
    if has_lost_zeros:
        # One of a hundred other numbers has right check digits, so year and court must exist too.
        is_plausible = f"{segment}.{court}" in _COURTS and "1900" <= year <= "2100"
        if check_digits != expected or not is_plausible:
            raise _not_a_number(text)
    elif check_digits != expected:
        right = f"{sequence}-{expected}.{year}.{segment}.{court}.{unit}"
        raise CommandError(
            t(
                "The check digits of {given} are wrong: for this number they would be {expected} ({right}). "
                "Compare the number with the court's papers.",
                given=given,
                expected=expected,
                right=right,
            ),
            ExitCode.USAGE,
        )
    return given


def _not_a_number(text: str) -> CommandError:
    digits = sum(character.isdigit() for character in text)
    return CommandError(
        t(
            "A process number has 20 digits, as in 1011745-77.2025.8.11.0041 or 10117457720258110041; "
            "this text has {digits} digits, or letters between them. Give one number at a time.",
            digits=digits,
        ),
        ExitCode.USAGE,
    )
