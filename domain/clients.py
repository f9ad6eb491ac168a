"""The clients of one deployment: who they are and what their keys let them do."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from domain.errors import InvalidInput

NAME_PATTERN = r"^[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9])?$"
_NAME = re.compile(NAME_PATTERN)


class Scope(StrEnum):
    """What a key lets its client do. Each scope stands for itself: none includes another."""

    READ = "read"
    SEALED = "sealed"
    DOWNLOAD = "download"
    ADMIN = "admin"


ALL_SCOPES = frozenset(Scope)


@dataclass(frozen=True, slots=True)
class Client:
    """Who asks.

    Attributes:
        name: the client's name, the same for all of its keys; recorded with what it starts.
        scopes: what the key that was sent lets it do.
        key_id: the public part of that key; none without keys, and for the key of the settings.
        requests_per_minute: the key's rate limit; none is no limit.
    """

    name: str
    scopes: frozenset[Scope]
    key_id: str | None = None
    requests_per_minute: int | None = None

    def may(self, scope: Scope) -> bool:
        """Whether the client's key has this scope."""
        return scope in self.scopes


def check_client_name(name: str) -> str:
    """Check a name for a client.

    Raises:
        InvalidInput: it is not one: 1 to 64 lower-case letters, digits, dots, hyphens and underscores.
    """
    if not _NAME.fullmatch(name):
        raise InvalidInput(
            "A client's name has 1 to 64 lower-case letters, digits, dots, hyphens and underscores, "
            "and begins and ends with a letter or digit.",
            field="name",
        )
    return name
