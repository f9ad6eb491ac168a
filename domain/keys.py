"""API keys: their format, and what is stored of them."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import string
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from domain.clients import Client, Scope
from domain.errors import AutosError
from domain.serializers import format_timestamp

# Client names for requests with the key in the settings, and for requests where no keys exist.
OPERATOR = "operator"
LOCAL = "local"
RESERVED_NAMES = frozenset({OPERATOR, LOCAL})

DEFAULT_REQUESTS_PER_MINUTE = 600
MAX_REQUESTS_PER_MINUTE = 60_000
# How long before its expiry an operator is told of a key.
EXPIRY_NOTICE = timedelta(days=14)

_ID_CHARACTERS = string.ascii_lowercase + string.digits
_KEY = re.compile(r"autos_([a-z0-9]{8})_[A-Za-z0-9_-]{43}")


def generate_key() -> tuple[str, str]:
    """Return a new random key: its id, which is not secret, and its full text."""
    key_id = "".join(secrets.choice(_ID_CHARACTERS) for _ in range(8))
    return key_id, f"autos_{key_id}_{secrets.token_urlsafe(32)}"


def parse_key_id(key: str) -> str | None:
    """Return the id in a key's text. None if the text is not a key."""
    match = _KEY.fullmatch(key)
    return match[1] if match else None


def hash_key(key: str) -> str:
    """Return the hash that is stored instead of a key: SHA-256 in hex. A key is random enough to need no salt."""
    return hashlib.sha256(key.encode()).hexdigest()


class KeyState(StrEnum):
    """Whether a key is valid, and otherwise why not."""

    VALID = "valid"
    REVOKED = "revoked"
    EXPIRED = "expired"


class KeyExpired(AutosError):
    """A key is valid no longer, although nobody has revoked it."""

    def __init__(self, expired_at: datetime) -> None:
        super().__init__(f"This API key expired at {format_timestamp(expired_at)}. Ask the operator for a new one.")


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key as it is stored.

    Attributes:
        id: The part of the key that is not secret.
        client: Name of its client.
        digest: Hash of the full key.
        scopes: The permissions it grants.
        requests_per_minute: Its rate limit. None means no limit.
        revoked_at: When it was revoked. None while it is valid.
        expires_at: When it stops being valid by itself. None means never.
        last_used_at: When it was last used, give or take a few minutes. None if it never was.
    """

    id: str
    client: str
    digest: str = field(repr=False)
    scopes: frozenset[Scope]
    requests_per_minute: int | None
    created_at: datetime
    revoked_at: datetime | None
    expires_at: datetime | None = None
    last_used_at: datetime | None = None

    def state_at(self, now: datetime) -> KeyState:
        """Return whether the key is valid, and otherwise why not. A revoked key stays so when it expires."""
        if self.revoked_at is not None:
            return KeyState.REVOKED
        if self.expires_at is not None and self.expires_at <= now:
            return KeyState.EXPIRED
        return KeyState.VALID

    def is_valid(self, now: datetime) -> bool:
        """Return whether the key is neither revoked nor expired."""
        return self.state_at(now) is KeyState.VALID

    def expires_soon(self, now: datetime) -> bool:
        """Return whether its time is over or soon will be. A revoked key has no time left to lose."""
        if self.revoked_at is not None or self.expires_at is None:
            return False
        return self.expires_at - now < EXPIRY_NOTICE

    def is_text(self, key: str) -> bool:
        """Return whether ``key`` is the text of this key, in constant time."""
        return hmac.compare_digest(self.digest, hash_key(key))

    def verify(self, key: str, now: datetime) -> Client | None:
        """Return the client if ``key`` is the text of this key. None for another key, or if this one is revoked.

        Raises:
            KeyExpired: It is this key, and it has expired. Only its owner can be told so.
        """
        if not self.is_text(key):
            return None
        match self.state_at(now), self.expires_at:
            case KeyState.REVOKED, _:
                return None
            case KeyState.EXPIRED, datetime() as expired_at:
                raise KeyExpired(expired_at)
        return Client(self.client, self.scopes, self.id, self.requests_per_minute)


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key that was just created. Its text is available only this once.

    Attributes:
        record: The key as it is stored.
        text: The key itself.
        webhook_secret: The client's webhook secret if the client is new. None if it already has one.
        is_first: Whether the catalog never had a key before, revoked ones included.
    """

    record: ApiKey
    text: str = field(repr=False)
    webhook_secret: str | None = field(repr=False)
    is_first: bool = False
