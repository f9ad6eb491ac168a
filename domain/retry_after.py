"""The ``Retry-After`` header (RFC 9110, section 10.2.3) of the court and of webhook receivers."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime


def parse_retry_after(value: str | None, *, longest: float = 3600.0) -> float | None:
    """Parse a number of seconds or an HTTP date.

    Args:
        value: The header's value.
        longest: Maximum in seconds. A longer wait is reduced to it.

    Returns:
        Seconds to wait, from 0. None if the header is absent or unusable.
    """
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            date = parsedate_to_datetime(value)
        except (ValueError, OverflowError):
            return None
        date = date if date.tzinfo else date.replace(tzinfo=UTC)
        seconds = (date - datetime.now(UTC)).total_seconds()
    return None if math.isnan(seconds) else min(max(seconds, 0.0), longest)
