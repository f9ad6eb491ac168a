"""Process numbers in pasted text: a mail, a spreadsheet's column, a page of a court."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from domain.process_number import ProcessNumber
from domain.text import without_format_characters

# The digits of the parts after the first one, which has one to seven.
_TAIL = (2, 4, 1, 2, 4)
_TAIL_DIGITS = sum(_TAIL)
_MAX_DIGITS = 7 + _TAIL_DIGITS
# ASCII only, as in a process number.
_DIGITS = re.compile(r"[0-9]+")
_SEPARATOR = re.compile(r"[^\w]{0,3}")


@dataclass(frozen=True, slots=True)
class WrongNumber:
    """A number whose check digits are wrong.

    Attributes:
        given: The number in the text, with punctuation.
        suggestion: The number with the right check digits.
    """

    given: str
    suggestion: str


@dataclass(frozen=True, slots=True)
class FoundNumbers:
    """The process numbers in a text, each once, in the order in which they first appear."""

    valid: tuple[ProcessNumber, ...] = ()
    wrong: tuple[WrongNumber, ...] = ()


@dataclass(frozen=True, slots=True)
class _Candidate:
    """Runs of digits that together have the shape of a process number.

    Attributes:
        first: The index of its first run.
        last: The index of its last run.
    """

    first: int
    last: int
    number: ProcessNumber
    lost_zeros: bool


def find_numbers(text: str) -> FoundNumbers:
    """Return the process numbers in a text.

    Each number may be written as `ProcessNumber.parse` accepts it, with other text and other digits around it.
    Digits with right check digits are a number. Digits with wrong ones are named only if they look like one: all
    twenty, an existing court and a plausible year.
    """
    visible = without_format_characters(text)
    runs = list(_DIGITS.finditer(visible))
    candidates = [candidate for first in range(len(runs)) for candidate in _starting_at(visible, runs, first)]
    used: set[int] = set()
    found: list[_Candidate] = []
    # A number with all its digits beats one that may have lost some, and any right one beats a wrong one.
    for lost_zeros, right in ((False, True), (True, True), (False, False)):
        for each in candidates:
            places = range(each.first, each.last + 1)
            fits = each.lost_zeros is lost_zeros and each.number.is_right is right
            needs_proof = lost_zeros or not right
            if fits and used.isdisjoint(places) and (each.number.is_plausible or not needs_proof):
                used.update(places)
                found.append(each)
    found.sort(key=lambda each: each.first)
    valid = dict.fromkeys(each.number for each in found if each.number.is_right)
    wrong = dict.fromkeys(
        WrongNumber(each.number.canonical, each.number.corrected.canonical)
        for each in found
        if not each.number.is_right
    )
    return FoundNumbers(tuple(valid), tuple(wrong))


def _starting_at(text: str, runs: Sequence[re.Match[str]], first: int) -> Iterator[_Candidate]:
    """Yield what has the shape of a number and begins with this run of digits, the longest first."""
    lengths: list[int] = []
    fitting = []
    for last in range(first, len(runs)):
        if last > first and not _SEPARATOR.fullmatch(text, runs[last - 1].end(), runs[last].start()):
            break
        lengths.append(len(runs[last][0]))
        if sum(lengths) > _MAX_DIGITS:
            break
        if sum(lengths) > _TAIL_DIGITS and _is_aligned(lengths):
            fitting.append(last)
    for last in reversed(fitting):
        digits = "".join(run[0] for run in runs[first : last + 1])
        number = ProcessNumber.of_digits(digits)
        yield _Candidate(first, last, number, lost_zeros=len(digits) < _MAX_DIGITS)


def _is_aligned(lengths: Sequence[int]) -> bool:
    """Return whether runs of these lengths are separated only where a process number has its punctuation."""
    end = sum(lengths) - _TAIL_DIGITS
    ends = {end}
    for length in _TAIL:
        end += length
        ends.add(end)
    place = 0
    for length in lengths:
        place += length
        if place not in ends:
            return False
    return True
