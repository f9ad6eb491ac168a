"""How long to wait: what a server asks for, within limits, the backoff, and jitter."""

from __future__ import annotations

import math
import random
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

# No server has the client wait longer than this at a time, unless the caller has more patience.
MAX_WAIT_SECONDS = 60.0
_MAX_ASKED_SECONDS = 3600.0
_MAX_BACKOFF_SECONDS = 10.0
# The largest share of a wait, and of one second, that is added at random.
_JITTER = 0.25


def parse_retry_after(value: str | None) -> float | None:
    """Return the seconds that a ``Retry-After`` header means, from 0 to an hour.

    Args:
        value: A number of seconds, or an HTTP date (RFC 9110, section 10.2.3).

    Returns:
        ``None`` if the header is absent or unusable.
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
    return None if math.isnan(seconds) else min(max(seconds, 0.0), _MAX_ASKED_SECONDS)


def with_jitter(seconds: float) -> float:
    """Return a wait that is a little longer at random, so that many clients do not come back at the same moment."""
    return seconds + (seconds + 1) * random.uniform(0, _JITTER)  # noqa: S311 - No secret.


def backoff_seconds(failed_attempts: int) -> float:
    """Return the seconds to wait after this many failed attempts: exponential up to 10, with jitter."""
    return with_jitter(min(0.125 * 2 ** min(failed_attempts, 10), _MAX_BACKOFF_SECONDS))
