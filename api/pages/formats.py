"""Numbers, sizes and moments as each language writes them."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from api.pages.texts import Language

# The courts' own time; every page that shows a time says so.
_BRASILIA = ZoneInfo("America/Sao_Paulo")
_UNITS = ("B", "kB", "MB", "GB", "TB")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def number(value: float, language: Language, *, decimals: int = 0) -> str:
    """A number with its separators: ``1,234.5`` or ``1.234,5``."""
    written = f"{value:,.{decimals}f}"
    return written.translate(str.maketrans(",.", ".,")) if language is Language.PORTUGUESE else written


def size(amount: int, language: Language) -> str:
    """An amount of bytes with a unit, such as ``1.2 MB``; units are powers of a thousand."""
    scaled, unit = float(amount), 0
    while scaled >= 999.5 and unit < len(_UNITS) - 1:
        scaled, unit = scaled / 1000, unit + 1
    return f"{number(scaled, language, decimals=1 if unit and scaled < 99.95 else 0)} {_UNITS[unit]}"


def date(moment: datetime, language: Language) -> str:
    """The day in Brazil at a moment: ``04 Mar 2025`` or ``04/03/2025``."""
    there = moment.astimezone(_BRASILIA)
    if language is Language.PORTUGUESE:
        return f"{there:%d/%m/%Y}"
    # Not by strftime, whose months follow the machine's locale.
    return f"{there:%d} {_MONTHS[there.month - 1]} {there:%Y}"


def day_and_time(moment: datetime, language: Language) -> str:
    """The day and the time in Brazil at a moment."""
    return f"{date(moment, language)}, {moment.astimezone(_BRASILIA):%H:%M}"
