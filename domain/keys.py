"""API keys: what one looks like, and what is kept of it."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import string
from dataclasses import dataclass, field
from datetime import datetime

from domain.clients import Client, Scope

# Who asks with the key of the settings, and who asks where there are no keys.
OPERATOR = "operator"
LOCAL = "local"
RESERVED_NAMES = frozenset({OPERATOR, LOCAL})

USUAL_REQUESTS_PER_MINUTE = 600
MOST_REQUESTS_PER_MINUTE = 60_000

_ID_CHARACTERS = string.ascii_lowercase + string.digits
_KEY = re.compile(r"autos_([a-z0-9]{8})_[A-Za-z0-9_-]{43}")


def new_key() -> tuple[str, str]:
    """A key that nobody has had: its id, which is no secret, and its whole text."""
    key_id = "".join(secrets.choice(_ID_CHARACTERS) for _ in range(8))
    return key_id, f"autos_{key_id}_{secrets.token_urlsafe(32)}"


def id_of_key(key: str) -> str | None:
    """The id in a key's text; none if the text is no key."""
    found = _KEY.fullmatch(key)
    return found[1] if found else None


def digest_of_key(key: str) -> str:
    """What is kept of a key's text: SHA-256 in hex. A key is random enough to need no salt."""
    return hashlib.sha256(key.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class ApiKey:
    """What is kept of a key.

    Attributes:
        id: the part of the key that is not secret.
        client: whose it is.
        digest: of the whole key.
        scopes: what it lets its client do.
        requests_per_minute: its rate limit; none is no limit.
        revoked_at: since when it is dead; none while it lives.
    """

    id: str
    client: str
    digest: str = field(repr=False)
    scopes: frozenset[Scope]
    requests_per_minute: int | None
    created_at: datetime
    revoked_at: datetime | None

    def opened_by(self, key: str) -> Client | None:
        """The client who sends this text; none if it is another key's, or if this one is revoked."""
        same = hmac.compare_digest(self.digest, digest_of_key(key))
        if not same or self.revoked_at is not None:
            return None
        return Client(self.client, self.scopes, self.id, self.requests_per_minute)


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key just made: the one time that its text is there.

    Attributes:
        record: what is kept of it.
        text: the key itself.
        webhook_secret: the client's, if the client is new; none if it has one already.
    """

    record: ApiKey
    text: str = field(repr=False)
    webhook_secret: str | None = field(repr=False)
