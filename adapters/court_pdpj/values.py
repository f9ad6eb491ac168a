"""Values as the court's systems write them, in our types. None where a value is missing or cannot be read."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from domain.text import printable

# The portal writes local times without a zone.
_COURT_ZONE = ZoneInfo("America/Sao_Paulo")
_ZONE_NAME = re.compile(r"\[[A-Za-z_/+-]+\]$")
_DAY_FIRST = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4})(?:[ T]+(\d{1,2}):(\d{2})(?::(\d{2}))?)?", re.ASCII)
_FOURTEEN_DIGITS = re.compile(r"\d{14}", re.ASCII)
# From 1973 to 5138 in milliseconds; in seconds these would be far away.
_EPOCH_MILLISECONDS = range(10**11, 10**14)
_EPOCH_SECONDS = range(10**8, 10**11)
_WHOLE = re.compile(r"[+-]?\d{1,20}(?:\.0*)?", re.ASCII)
_BIGINT = 2**63


def moment(value: object) -> datetime | None:
    """Return a moment in UTC.

    Read are ISO 8601 in its variants, dd/mm/yyyy with or without a time, fourteen digits, and the seconds or
    milliseconds since 1970. What states no zone is Brasília's time.
    """
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return _since_epoch(value)
    if not isinstance(value, str):
        return None
    text = _ZONE_NAME.sub("", value.strip())
    if _FOURTEEN_DIGITS.fullmatch(text):
        text = f"{text[:8]}T{text[8:]}"
    elif text.isascii() and text.isdigit() and len(text) > 8:
        return _since_epoch(int(text[:20]))
    day_first = _DAY_FIRST.fullmatch(text)
    with suppress(ValueError):
        if day_first:
            day, month, year, hour, minute, second = (int(part or 0) for part in day_first.groups())
            return _in_utc(datetime(year, month, day, hour, minute, second))  # noqa: DTZ001 - its zone comes next.
        return _in_utc(datetime.fromisoformat(text))
    return None


def _since_epoch(number: int) -> datetime | None:
    if number in _EPOCH_MILLISECONDS:
        return datetime.fromtimestamp(number / 1000, UTC)
    return datetime.fromtimestamp(number, UTC) if number in _EPOCH_SECONDS else None


def _in_utc(read: datetime) -> datetime:
    aware = read if read.tzinfo else read.replace(tzinfo=_COURT_ZONE)
    try:
        return aware.astimezone(UTC)
    except OverflowError:
        # A placeholder at one end of the calendar.
        return aware.replace(tzinfo=UTC)


def integer(value: object, *, below: int = _BIGINT) -> int | None:
    """Return a whole number, also one that is written as a float or as text."""
    if isinstance(value, str) and _WHOLE.fullmatch(value.strip()):
        value = int(value.strip().partition(".")[0])
    elif isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if -below <= value < below else None


def amount(value: object) -> Decimal | None:
    """Return an amount of money with two places."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        read = round(Decimal(str(value)), 2)
        return read if read.is_finite() and abs(read) < 10**16 else None
    except (ArithmeticError, ValueError):
        return None


def text(value: object) -> str | None:
    """Return text that can be stored and shown."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        return None
    return printable(value) or None


def mapping(value: object) -> dict[str, Any]:
    """Return an object; an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def first_mapping(value: object) -> dict[str, Any]:
    """Return an object, or the first one of an array; an empty one for anything else."""
    if isinstance(value, list) and value:
        return mapping(value[0])
    return mapping(value)
