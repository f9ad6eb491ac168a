"""What an access token says of itself. Read to know when it ends, never to trust it."""

from __future__ import annotations

import json
import re
import unicodedata
from base64 import urlsafe_b64decode
from datetime import UTC, datetime
from typing import Any

from domain.errors import InvalidInput

_LONGEST = 16_384
# Longer than any that a person pastes; looked at before anything else is done with it.
_LONGEST_TEXT = 65_536
# Straight, curly, angled and typewriter's quotes, as mail programs and documents put them around what is pasted.
_QUOTES = "\"'`\u00b4\u2018\u2019\u201a\u201b\u201c\u201d\u201e\u201f\u00ab\u00bb\u2039\u203a"
_AROUND = _QUOTES + ",;"
_PREFIX = re.compile(
    r"(?:(?:proxy-)?authorization\s*[:=]\s*)?bearer(?:\s*[:=]\s*|\s+|$)|authorization\s*[:=]\s*", re.I
)
# How long signatures are in base64, by algorithm or its family (RSA with 2048, 3072 and 4096 bits).
_SIGNATURES: dict[str, tuple[int, ...]] = {
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
# Base64 for URLs, in three parts: header, claims and signature.
_JWT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")


def token_expiry(token: str) -> datetime | None:
    """When a JWT ends, by its ``exp``; none for a token that does not say."""
    claims = _json_of(token, 1)
    try:
        ends = claims["exp"]
        # Some write 0 for a token without an end.
        return datetime.fromtimestamp(ends, UTC) if type(ends) in (int, float) and ends > 0 else None
    except (ValueError, KeyError, TypeError, OverflowError, OSError):
        return None


def read_token(text: str, *, field: str) -> str:
    """Return the token in what people bring.

    Taken away: what stands around it (quotes, a comma or a semicolon, ``Bearer``, ``Authorization:``) and invisible
    characters (zero width, soft hyphen, byte order mark). Line ends and blanks inside are taken away only
    if what is left is a JWT, as where a terminal has wrapped it: nothing else tells that the parts belong together.

    Args:
        text: What was brought.
        field: Its name, for the error.

    Raises:
        InvalidInput: This can be no token. The text says nothing of what it is.
    """
    token = _bare(text) if len(text) <= _LONGEST_TEXT else ""
    if len(token.split()) > 1:
        token = _joined(token)
    usable = token.isascii() and token.isprintable() and not set(token) & set(_AROUND)
    if not token or len(token) > _LONGEST or not usable:
        raise InvalidInput(
            f"{field} is not a token: copy it whole and alone, without what stands around it.", field=field
        )
    return token


def _bare(text: str) -> str:
    """Return a text without what stands around a token, in whatever order it stands there."""
    # Category Cf: zero-width characters, soft hyphens, direction marks, a byte order mark.
    visible = "".join(character for character in text if unicodedata.category(character) != "Cf")
    while True:
        bare = visible.strip().strip(_AROUND).strip()
        bare = _PREFIX.sub("", bare, count=1) if _PREFIX.match(bare) else bare
        if bare == visible:
            return bare
        visible = bare


def _joined(text: str) -> str:
    """Return the JWT that the pieces of a text are. Empty if they are none, or more than that."""
    pieces = text.split()
    joined = "".join(pieces)
    if not _JWT.fullmatch(joined) or "alg" not in _json_of(joined, 0) or any(map(_is_whole, pieces)):
        return ""
    # Words between blanks are rather a token and a remark, unless the signature has the very length.
    wrapped = all(len(line.split()) <= 1 for line in text.splitlines())
    return joined if wrapped or _is_whole(joined) else ""


def _is_whole(token: str) -> bool:
    """Whether this is a JWT with a signature as long as its algorithm makes them."""
    if not _JWT.fullmatch(token):
        return False
    algorithm = str(_json_of(token, 0).get("alg"))
    return len(token.rpartition(".")[2]) in _SIGNATURES.get(algorithm, _SIGNATURES.get(algorithm[:2], ()))


def _json_of(token: str, part: int) -> dict[str, Any]:
    """Return the JSON object in one part of a JWT. Empty if it has none."""
    parts = token.split(".")
    if len(parts) != 3:
        return {}
    try:
        found = json.loads(urlsafe_b64decode(parts[part] + "=" * (-len(parts[part]) % 4)))
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
