"""Brasília's time, in which the courts write and people read."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

BRASILIA = ZoneInfo("America/Sao_Paulo")


def in_brasilia(moment: datetime) -> datetime:
    """Return a moment in Brasília's time.

    The placeholder dates of courts, at the ends of the calendar (``0001-01-01``), cannot be moved: they keep their
    day and hour.
    """
    try:
        return moment.astimezone(BRASILIA)
    except OverflowError:
        return moment.replace(tzinfo=BRASILIA)
