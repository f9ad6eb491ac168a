"""Numbers, sizes and times in the format of each language."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from api.pages.texts import Language
from domain.brasilia import in_brasilia

_UNITS = ("B", "kB", "MB", "GB", "TB")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def number(value: float | Decimal, language: Language, *, decimals: int = 0) -> str:
    """Format a number with separators: ``1,234.5`` or ``1.234,5``."""
    text = f"{value:,.{decimals}f}"
    return text.translate(str.maketrans(",.", ".,")) if language is Language.PORTUGUESE else text


def size(amount: int, language: Language) -> str:
    """Format a number of bytes with a unit, such as ``1.2 MB``. Units are powers of 1000."""
    scaled, unit = float(amount), 0
    while scaled >= 999.5 and unit < len(_UNITS) - 1:
        scaled, unit = scaled / 1000, unit + 1
    return f"{number(scaled, language, decimals=1 if unit and scaled < 99.95 else 0)} {_UNITS[unit]}"


def date(moment: datetime, language: Language) -> str:
    """Format the date in Brasília: ``04 Mar 2025`` or ``04/03/2025``."""
    local = in_brasilia(moment)
    if language is Language.PORTUGUESE:
        return f"{local:%d/%m/%Y}"
    # Not with strftime: its month names depend on the machine's locale.
    return f"{local:%d} {_MONTHS[local.month - 1]} {local:%Y}"


def time_of_day(moment: datetime) -> str:
    """Format the time in Brasília, without the date."""
    return f"{in_brasilia(moment):%H:%M}"


def reais(value: str, language: Language) -> str:
    """Format an amount such as ``15000.00``: ``R$ 15,000.00`` or ``R$ 15.000,00``."""
    return f"R$ {number(Decimal(value), language, decimals=2)}"


def day_and_time(moment: datetime, language: Language) -> str:
    """Format the date and time in Brasília."""
    return f"{date(moment, language)}, {time_of_day(moment)}"
