"""The court's tokens: JWTs that expire, and refresh tokens that can be used once.

The signing key is fixed and no secret, so that a restarted simulator still accepts tokens that it issued before.
"""

from __future__ import annotations

import hmac
import json
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as InvalidBase64
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from uuid import uuid4

DEFAULT_LIFETIME = 28_800
"""In seconds: eight hours, as at the court."""

_KEY = b"simulator: no secret"
_ISSUER = "https://sso.cloud.pje.jus.br/auth/realms/pje"
_CLIENT = "portalexterno-frontend"


@dataclass(frozen=True, slots=True)
class Grant:
    """A pair of tokens. Both expire ``expires_in`` seconds after they were issued."""

    token: str
    refresh_token: str
    expires_in: int


class Tokens:
    """Issues tokens and checks them."""

    def __init__(self) -> None:
        self._oldest_valid_generation = 0
        self._used: set[str] = set()

    def replace_all(self, lifetime: int) -> Grant:
        """Issue a pair, and revoke every token issued before, refresh tokens included."""
        # Taken from the clock, so that generations keep increasing after a restart.
        self._oldest_valid_generation = max(self._oldest_valid_generation + 1, time.time_ns())
        return _grant(self._oldest_valid_generation, lifetime)

    def issue(self, lifetime: int) -> Grant:
        """Issue a pair. Those issued before stay valid."""
        return _grant(self._oldest_valid_generation, lifetime)

    def refresh(self, refresh_token: str) -> Grant | None:
        """Exchange a refresh token for a new pair with the same lifetime. Returns ``None`` if it is invalid."""
        claims = self._read_valid_claims(refresh_token, "Refresh")
        if claims is None or claims["jti"] in self._used:
            return None
        self._used.add(claims["jti"])
        return _grant(claims["generation"], claims["exp"] - claims["iat"])

    def accepts(self, authorization: str) -> bool:
        """Return whether an ``Authorization`` header has a valid token."""
        scheme, _, token = authorization.partition(" ")
        return scheme.lower() == "bearer" and self._read_valid_claims(token.strip(), "Bearer") is not None

    def _read_valid_claims(self, token: str, kind: str) -> dict[str, Any] | None:
        claims = _read_claims(token)
        if claims is None or claims["typ"] != kind or claims["exp"] <= time.time():
            return None
        return claims if claims["generation"] >= self._oldest_valid_generation else None


def _grant(generation: int, lifetime: int) -> Grant:
    return Grant(
        _issue("Bearer", generation, lifetime), _issue("Refresh", generation, lifetime), expires_in=lifetime
    )


def _issue(kind: str, generation: int, lifetime: int) -> str:
    now = int(time.time())
    claims = {
        "exp": now + lifetime,
        "iat": now,
        "jti": str(uuid4()),
        "iss": _ISSUER,
        "sub": "00000000-0000-5000-8000-000000000000",
        "typ": kind,
        "azp": _CLIENT,
        "scope": "openid profile email",
        "preferred_username": "00000000000",
        "name": "Usuária Sintética",
        "generation": generation,
    }
    head = _encode(json.dumps({"alg": "HS256", "typ": "JWT", "kid": "simulator"}).encode())
    signed = f"{head}.{_encode(json.dumps(claims).encode())}"
    return f"{signed}.{_signature(signed)}"


@lru_cache(maxsize=4096)
def _read_claims(token: str) -> dict[str, Any] | None:
    """Return a token's claims, or ``None`` if the simulator did not sign it."""
    signed, _, signature = token.rpartition(".")
    if not hmac.compare_digest(signature.encode(), _signature(signed).encode()):
        return None
    try:
        payload = signed.split(".")[1]
        claims: dict[str, Any] = json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (IndexError, InvalidBase64, ValueError):
        return None
    return claims


def _signature(signed: str) -> str:
    return _encode(hmac.digest(_KEY, signed.encode(), "sha256"))


def _encode(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()
