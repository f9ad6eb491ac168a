"""Parse values as the court's systems write them. None means that a value is missing or cannot be parsed."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from domain.brasilia import BRASILIA
from domain.text import printable

_ZONE_NAME = re.compile(r"\[[A-Za-z_/+-]+\]$")
_DAY_FIRST = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4})(?:[ T]+(\d{1,2}):(\d{2})(?::(\d{2}))?)?", re.ASCII)
_COMPACT_DATETIME = re.compile(r"\d{14}", re.ASCII)
# From 1973 to 5138 in milliseconds. As seconds these would be in the far future.
_EPOCH_MILLISECONDS = range(10**11, 10**14)
_EPOCH_SECONDS = range(10**8, 10**11)
_INTEGER_TEXT = re.compile(r"[+-]?\d{1,20}(?:\.0*)?", re.ASCII)
_BIGINT = 2**63


def parse_datetime(value: object) -> datetime | None:
    """Return a datetime in UTC.

    Accepts ISO 8601 in its variants, dd/mm/yyyy with or without a time, fourteen digits, and the seconds or
    milliseconds since 1970. A value without a zone is Brasília's local time.
    """
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return _since_epoch(value)
    if not isinstance(value, str):
        return None
    text = _ZONE_NAME.sub("", value.strip())
    if _COMPACT_DATETIME.fullmatch(text):
        text = f"{text[:8]}T{text[8:]}"
    elif text.isascii() and text.isdigit() and len(text) > 8:
        return _since_epoch(int(text[:20]))
    day_first = _DAY_FIRST.fullmatch(text)
    with suppress(ValueError):
        if day_first:
            day, month, year, hour, minute, second = (int(part or 0) for part in day_first.groups())
            return _in_utc(datetime(year, month, day, hour, minute, second))  # noqa: DTZ001 - _in_utc adds its zone.
        return _in_utc(datetime.fromisoformat(text))
    return None


def _since_epoch(number: int) -> datetime | None:
    if number in _EPOCH_MILLISECONDS:
        return datetime.fromtimestamp(number / 1000, UTC)
    return datetime.fromtimestamp(number, UTC) if number in _EPOCH_SECONDS else None


def _in_utc(parsed: datetime) -> datetime:
    # The portal writes local times without a zone.
    aware = parsed if parsed.tzinfo else parsed.replace(tzinfo=BRASILIA)
    try:
        return aware.astimezone(UTC)
    except OverflowError:
        # A placeholder date at one end of the calendar.
        return aware.replace(tzinfo=UTC)


def parse_integer(value: object, *, below: int = _BIGINT) -> int | None:
    """Return an integer, also if it is written as a float or as text. None if it is not within ±`below`."""
    if isinstance(value, str) and _INTEGER_TEXT.fullmatch(value.strip()):
        value = int(value.strip().partition(".")[0])
    elif isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if -below <= value < below else None


def parse_amount(value: object) -> Decimal | None:
    """Return an amount of money with two decimal places."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        parsed = round(Decimal(str(value)), 2)
        return parsed if parsed.is_finite() and abs(parsed) < 10**16 else None
    except (ArithmeticError, ValueError):
        return None


def parse_text(value: object) -> str | None:
    """Return printable text, which can be stored and shown. None if it is empty."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        return None
    return printable(value) or None


def as_object(value: object) -> dict[str, Any]:
    """Return a JSON object. Empty for anything else."""
    return value if isinstance(value, dict) else {}


def first_object(value: object) -> dict[str, Any]:
    """Return a JSON object, or the first one of an array. Empty for anything else."""
    if isinstance(value, list) and value:
        return as_object(value[0])
    return as_object(value)


def objects_of(value: object) -> list[dict[str, Any]]:
    """Return the JSON objects of an array, or a single object as a list. Everything else is left out."""
    items = value if isinstance(value, list) else [value]
    return [item for item in items if isinstance(item, dict)]
