"""Unused process numbers."""

from __future__ import annotations

import random
from collections.abc import Callable

from domain.process_number import ProcessNumber
from simulator.case import Case, Shape, build_case

_random = random.SystemRandom()


def fresh_number() -> str:
    """Return a number with right check digits that no other test uses."""
    sequence, unit = f"{_random.randrange(10**7):07}", f"{_random.randrange(10**4):04}"
    check = 98 - int(f"{sequence}2026811{unit}00") % 97
    return f"{sequence}-{check:02}.2026.8.11.{unit}"


def number_of_case(shape: Shape, is_wanted: Callable[[Case], bool]) -> str:
    """Return a fresh number whose process at the simulated court, in this shape, is as wanted.

    What kinds of documents it has, and what their listing states of them, depends on the number.
    """
    while True:
        number = fresh_number()
        if is_wanted(build_case(ProcessNumber.parse(number), shape)):
            return number


def states_each_size(case: Case) -> bool:
    """Whether the listing states the size of each document, so that it tells when the court replaces one."""
    return all(document.described for document in case.documents)
