"""The CNJ unified process number (Resolução CNJ 65/2008)."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Self

from domain.errors import InvalidProcessNumber
from domain.text import without_format_characters

# Punctuation or blanks between the parts of a number, as people's tools change them, or nothing.
_SEPARATOR = r"[^\w]{0,3}"
# ASCII only: ``\d`` would accept digits of other scripts, which the court does not know.
_NUMBER = re.compile(
    _SEPARATOR.join((r"([0-9]{1,7})", r"([0-9]{2})", r"([0-9]{4})", r"([0-9])", r"([0-9]{2})", r"([0-9]{4})"))
)
_MAX_TEXT_LENGTH = 200
_SEQUENCE_DIGITS = 7

_STATES = (
    *("AC", "AL", "AP", "AM", "BA", "CE", "DF", "ES", "GO", "MA", "MT", "MS", "MG", "PA"),
    *("PB", "PR", "PE", "PI", "RJ", "RN", "RS", "RO", "RR", "SC", "SE", "SP", "TO"),
)


def _courts() -> dict[tuple[str, str], str]:
    courts = {
        ("1", "00"): "STF",
        ("2", "00"): "CNJ",
        ("3", "00"): "STJ",
        ("4", "90"): "CJF",
        ("5", "00"): "TST",
        ("5", "90"): "CSJT",
        ("6", "00"): "TSE",
        ("7", "00"): "STM",
        ("9", "13"): "TJMMG",
        ("9", "21"): "TJMRS",
        ("9", "26"): "TJMSP",
    }
    courts |= {("4", f"{region:02}"): f"TRF{region}" for region in range(1, 7)}
    courts |= {("5", f"{region:02}"): f"TRT{region}" for region in range(1, 25)}
    courts |= {("7", f"{region:02}"): f"CJM{region}" for region in range(1, 13)}
    for code, state in enumerate(_STATES, start=1):
        courts["6", f"{code:02}"] = f"TRE-{state}"
        courts["8", f"{code:02}"] = "TJDFT" if state == "DF" else f"TJ{state}"
    return courts


_COURTS = _courts()


@dataclass(frozen=True, slots=True, order=True)
class ProcessNumber:
    """A process number with verified check digits. Always text: integers lose leading zeros."""

    sequence: str
    check_digits: str
    year: str
    segment: str
    court_code: str
    unit: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse a number as people paste it.

        Punctuation may be present, missing, or changed (an en dash, a non-breaking hyphen, blanks). Words, quotes
        and brackets around the number are ignored. Leading zeros may be missing, as spreadsheets drop them. This is
        safe because the check digits must be right in any case.

        Raises:
            InvalidProcessNumber: The text contains no number, or more than one, or the check digits (ISO 7064
                mod 97-10) are wrong. If only the check digits are wrong, the error suggests the right number.
        """
        visible = without_format_characters(text)
        match = _NUMBER.search(visible)
        rest = visible if match is None else visible[: match.start()] + visible[match.end() :]
        if match is None or len(text) > _MAX_TEXT_LENGTH or any(character.isdigit() for character in rest):
            raise _not_a_number(text)
        sequence, *others = match.groups()
        number = cls(sequence.zfill(_SEQUENCE_DIGITS), *others)
        if number.is_right and (len(sequence) == _SEQUENCE_DIGITS or number.is_plausible):
            return number
        if len(sequence) < _SEQUENCE_DIGITS:
            raise _not_a_number(text)
        right = number.corrected
        raise InvalidProcessNumber(
            f"The check digits of {number.canonical} are wrong: for this number they would be "
            f"{right.check_digits} ({right}). Compare the number with the court's papers.",
            suggestion=right.canonical,
        )

    @classmethod
    def of_digits(cls, digits: str) -> Self:
        """Return the number with these 14 to 20 digits, whatever its check digits. Lost zeros are put in front."""
        padded = digits.zfill(_SEQUENCE_DIGITS + 13)
        return cls(padded[:7], padded[7:9], padded[9:13], padded[13], padded[14:16], padded[16:])

    @property
    def is_right(self) -> bool:
        """Whether the check digits are right (ISO 7064 mod 97-10)."""
        return self.check_digits == self._expected_check_digits()

    @property
    def corrected(self) -> Self:
        """The same number with the right check digits."""
        return replace(self, check_digits=self._expected_check_digits())

    @property
    def is_plausible(self) -> bool:
        """Whether year and court exist. The check digits alone are right for one in a hundred random numbers."""
        return (self.segment, self.court_code) in _COURTS and "1900" <= self.year <= "2100"

    def _expected_check_digits(self) -> str:
        payload = f"{self.sequence}{self.year}{self.segment}{self.court_code}{self.unit}00"
        return f"{98 - int(payload) % 97:02}"

    @property
    def canonical(self) -> str:
        """The number with punctuation, ``NNNNNNN-DD.AAAA.J.TR.OOOO``, the form used everywhere inside Autos."""
        return f"{self.sequence}-{self.check_digits}.{self.year}.{self.segment}.{self.court_code}.{self.unit}"

    @property
    def digits(self) -> str:
        """The twenty digits without punctuation."""
        return f"{self.sequence}{self.check_digits}{self.year}{self.segment}{self.court_code}{self.unit}"

    @property
    def court(self) -> str:
        """The court's acronym, such as ``TJMT``. For a court founded after this table was written, ``J.TR``."""
        return _COURTS.get((self.segment, self.court_code), f"{self.segment}.{self.court_code}")

    def __str__(self) -> str:
        return self.canonical


def _not_a_number(text: str) -> InvalidProcessNumber:
    digits = sum(character.isdigit() for character in text)
    return InvalidProcessNumber(
        "A process number has 20 digits, as in 1011745-77.2025.8.11.0041 or 10117457720258110041; "
        f"this text has {digits} digits, or letters between them. Give one number at a time."
    )
