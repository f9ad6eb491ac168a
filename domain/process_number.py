"""The CNJ unified process number (Resolução CNJ 65/2008)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self

from domain.errors import InvalidProcessNumber

# ASCII only: ``\d`` would admit digits of other scripts, which the court does not know.
_SHAPE = re.compile(
    r"([0-9]{7})-([0-9]{2})\.([0-9]{4})\.([0-9])\.([0-9]{2})\.([0-9]{4})"
    r"|([0-9]{7})([0-9]{2})([0-9]{4})([0-9])([0-9]{2})([0-9]{4})"
)

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
    """A process number whose check digits have been verified. Always text: integers lose leading zeros."""

    sequence: str
    check_digits: str
    year: str
    segment: str
    court_code: str
    unit: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a number with or without its punctuation; surrounding blanks are ignored.

        Raises:
            InvalidProcessNumber: the text has another shape, or its check digits (ISO 7064 mod 97-10) are
                wrong; then the error names the right ones.
        """
        match = _SHAPE.fullmatch(text.strip())
        if match is None:
            digits = sum(character.isdigit() for character in text)
            raise InvalidProcessNumber(
                "A process number has 20 digits, as in 1011745-77.2025.8.11.0041 or 10117457720258110041; "
                f"this text has {digits} digits or other characters between them."
            )
        number = cls(*(part for part in match.groups() if part is not None))
        expected = number._expected_check_digits()
        if number.check_digits != expected:
            right = cls(
                number.sequence, expected, number.year, number.segment, number.court_code, number.unit
            ).canonical
            raise InvalidProcessNumber(
                f"The check digits of {number.canonical} are wrong: for this number they would be {expected} "
                f"({right}). Compare the number with the court's papers.",
                suggestion=right,
            )
        return number

    def _expected_check_digits(self) -> str:
        payload = f"{self.sequence}{self.year}{self.segment}{self.court_code}{self.unit}00"
        return f"{98 - int(payload) % 97:02}"

    @property
    def canonical(self) -> str:
        """The number with punctuation, ``NNNNNNN-DD.AAAA.J.TR.OOOO``: the form used everywhere inside Autos."""
        return f"{self.sequence}-{self.check_digits}.{self.year}.{self.segment}.{self.court_code}.{self.unit}"

    @property
    def digits(self) -> str:
        """The twenty digits without punctuation."""
        return f"{self.sequence}{self.check_digits}{self.year}{self.segment}{self.court_code}{self.unit}"

    @property
    def court(self) -> str:
        """The court's acronym, such as ``TJMT``; ``J.TR`` as written for a court founded after this table."""
        return _COURTS.get((self.segment, self.court_code), f"{self.segment}.{self.court_code}")

    def __str__(self) -> str:
        return self.canonical
