"""What an access token says of itself. Read to know when it ends, never to trust it."""

from __future__ import annotations

import json
import re
from base64 import urlsafe_b64decode
from datetime import UTC, datetime

from domain.errors import InvalidInput

_LONGEST = 16_384


def token_expiry(token: str) -> datetime | None:
    """When a JWT ends, by its ``exp``; none for a token that does not say."""
    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        claims = json.loads(urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
        ends = claims["exp"]
        # Some write 0 for a token without an end.
        return None if isinstance(ends, bool) or ends <= 0 else datetime.fromtimestamp(ends, UTC)
    except (ValueError, KeyError, TypeError, OverflowError, OSError, RecursionError):
        return None


def read_token(text: str, *, field: str) -> str:
    """A token as people bring it: with blanks around it, or with ``Bearer`` before it.

    Args:
        text: what was brought.
        field: its name, for the error.

    Raises:
        InvalidInput: this can be no token; the text says nothing of what it is.
    """
    token = re.sub(r"^bearer(\s+|$)", "", text.strip(), flags=re.IGNORECASE)
    if not token or len(token) > _LONGEST or not token.isascii() or not token.isprintable() or " " in token:
        raise InvalidInput(f"{field} is not a token: paste it whole, in one line.", field=field)
    return token
