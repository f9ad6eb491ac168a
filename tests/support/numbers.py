"""Unused process numbers."""

from __future__ import annotations

import random

_random = random.SystemRandom()


def fresh_number() -> str:
    """Return a number with right check digits that no other test uses."""
    sequence, unit = f"{_random.randrange(10**7):07}", f"{_random.randrange(10**4):04}"
    check = 98 - int(f"{sequence}2026811{unit}00") % 97
    return f"{sequence}-{check:02}.2026.8.11.{unit}"
