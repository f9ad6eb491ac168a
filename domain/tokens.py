"""Reading access tokens: cleaning pasted text, and the expiry date. Signatures are not verified."""

from __future__ import annotations

import json
import re
from base64 import urlsafe_b64decode
from datetime import UTC, datetime
from typing import Any

from domain.errors import InvalidInput
from domain.text import without_format_characters

_MAX_TOKEN_LENGTH = 16_384
# Longer than any pasted text. Checked before anything else, so that huge texts cost nothing.
_MAX_TEXT_LENGTH = 65_536
# Straight, curly, angled and typewriter quotes, as mail programs and documents put them around pasted text.
_QUOTES = "\"'`\u00b4\u2018\u2019\u201a\u201b\u201c\u201d\u201e\u201f\u00ab\u00bb\u2039\u203a"
_DELIMITERS = _QUOTES + ",;"
_PREFIX = re.compile(
    r"(?:(?:proxy-)?authorization\s*[:=]\s*)?bearer(?:\s*[:=]\s*|\s+|$)|authorization\s*[:=]\s*", re.I
)
# Lengths of signatures in base64, by algorithm or family (RSA with 2048, 3072 and 4096 bits).
_SIGNATURE_LENGTHS: dict[str, tuple[int, ...]] = {
    "HS256": (43,),
    "HS384": (64,),
    "HS512": (86,),
    "ES256": (86,),
    "ES384": (128,),
    "ES512": (176,),
    "EdDSA": (86, 152),
    "RS": (342, 512, 683),
    "PS": (342, 512, 683),
}
# Three parts in URL-safe base64: header, claims and signature.
_JWT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")


def token_expiry(token: str) -> datetime | None:
    """Return when a JWT expires, by its ``exp``. None if the token does not say."""
    claims = _decode_part(token, 1)
    try:
        expiry = claims["exp"]
        # Some issuers write 0 for a token that does not expire.
        return datetime.fromtimestamp(expiry, UTC) if type(expiry) in (int, float) and expiry > 0 else None
    except (ValueError, KeyError, TypeError, OverflowError, OSError):
        return None


def read_token(text: str, *, field: str) -> str:
    """Return the token in a pasted text.

    Removed are quotes, commas, semicolons, ``Bearer`` and ``Authorization:`` around the token, and invisible
    characters (zero width, soft hyphen, byte order mark). Line breaks and blanks inside it are removed only if the
    result is a JWT, for example one that a terminal has wrapped. For other tokens nothing shows that the parts
    belong together.

    Args:
        text: The pasted text.
        field: Name of the input, for the error.

    Raises:
        InvalidInput: The text is not a token. The error does not contain any part of it.
    """
    token = _strip_delimiters(text) if len(text) <= _MAX_TEXT_LENGTH else ""
    if len(token.split()) > 1:
        token = _join_wrapped_jwt(token)
    usable = token.isascii() and token.isprintable() and not set(token) & set(_DELIMITERS)
    if not token or len(token) > _MAX_TOKEN_LENGTH or not usable:
        raise InvalidInput(
            f"{field} is not a token: copy it whole and alone, without what stands around it.", field=field
        )
    return token


def _strip_delimiters(text: str) -> str:
    """Remove quotes, punctuation and ``Bearer`` around a token, in whatever order they are nested."""
    remaining = without_format_characters(text)
    while True:
        stripped = remaining.strip().strip(_DELIMITERS).strip()
        stripped = _PREFIX.sub("", stripped, count=1) if _PREFIX.match(stripped) else stripped
        if stripped == remaining:
            return stripped
        remaining = stripped


def _join_wrapped_jwt(text: str) -> str:
    """Join the pieces of a text into one JWT. Empty if they are not one, or contain more than one."""
    pieces = text.split()
    joined = "".join(pieces)
    is_jwt = _JWT.fullmatch(joined) and "alg" in _decode_part(joined, 0)
    if not is_jwt or any(map(_is_complete_jwt, pieces)):
        return ""
    # Words in one line are more likely a token and a remark, unless the signature has exactly the right length.
    wrapped = all(len(line.split()) <= 1 for line in text.splitlines())
    return joined if wrapped or _is_complete_jwt(joined) else ""


def _is_complete_jwt(token: str) -> bool:
    """Return whether this is a JWT whose signature has the right length for its algorithm."""
    if not _JWT.fullmatch(token):
        return False
    algorithm = str(_decode_part(token, 0).get("alg"))
    return len(token.rpartition(".")[2]) in _SIGNATURE_LENGTHS.get(
        algorithm, _SIGNATURE_LENGTHS.get(algorithm[:2], ())
    )


def _decode_part(token: str, part: int) -> dict[str, Any]:
    """Return the JSON object in one part of a JWT. Empty if there is none."""
    parts = token.split(".")
    if len(parts) != 3:
        return {}
    try:
        decoded = json.loads(urlsafe_b64decode(parts[part] + "=" * (-len(parts[part]) % 4)))
    except (ValueError, RecursionError):
        return {}
    return decoded if isinstance(decoded, dict) else {}
