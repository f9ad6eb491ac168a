"""Unused process numbers."""

from __future__ import annotations

import random

from domain.process_number import ProcessNumber
from simulator.case import Shape, build_case

_random = random.SystemRandom()


def fresh_number() -> str:
    """Return a number with right check digits that no other test uses."""
    sequence, unit = f"{_random.randrange(10**7):07}", f"{_random.randrange(10**4):04}"
    check = 98 - int(f"{sequence}2026811{unit}00") % 97
    return f"{sequence}-{check:02}.2026.8.11.{unit}"


def number_with_listed_sizes(documents: int) -> str:
    """Return a fresh number of a process whose listing states each document's size, as most listings do.

    Only a size or a filing time that differs tells that the court has replaced a content.
    """
    while True:
        number = fresh_number()
        case = build_case(ProcessNumber.parse(number), Shape(documents=documents))
        if all(document.described for document in case.documents):
            return number
