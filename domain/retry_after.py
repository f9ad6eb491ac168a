"""The ``Retry-After`` header (RFC 9110, section 10.2.3), as courts and receivers of webhooks send it."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime


def parse_retry_after(value: str | None, *, longest: float = 3600.0) -> float | None:
    """Seconds to wait, from a number or an HTTP date; none if the header is absent or unusable.

    Args:
        value: the header's value.
        longest: a longer wait is cut to this many seconds.
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
