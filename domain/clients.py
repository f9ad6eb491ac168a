"""The API clients of a deployment and the scopes of their keys."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from domain.errors import InvalidInput

NAME_PATTERN = r"^[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9])?$"
_NAME = re.compile(NAME_PATTERN)


class Scope(StrEnum):
    """A permission of a key. No scope includes another one."""

    READ = "read"
    SEALED = "sealed"
    DOWNLOAD = "download"
    ADMIN = "admin"


ALL_SCOPES = frozenset(Scope)


@dataclass(frozen=True, slots=True)
class Client:
    """The authenticated sender of a request.

    Attributes:
        name: The client's name, the same for all of its keys. Recorded with what the client starts.
        scopes: The scopes of the key that was sent.
        key_id: The public part of that key. None if there are no keys, and for the key in the settings.
        requests_per_minute: The key's rate limit. None means no limit.
    """

    name: str
    scopes: frozenset[Scope]
    key_id: str | None = None
    requests_per_minute: int | None = None

    def may(self, scope: Scope) -> bool:
        """Whether the client's key has this scope."""
        return scope in self.scopes


def check_client_name(name: str) -> str:
    """Validate the name of a client, and return it unchanged.

    Raises:
        InvalidInput: The name is not 1 to 64 lower-case letters, digits, dots, hyphens and underscores.
    """
    if not _NAME.fullmatch(name):
        raise InvalidInput(
            "A client's name has 1 to 64 lower-case letters, digits, dots, hyphens and underscores, "
            "and begins and ends with a letter or digit.",
            field="name",
        )
    return name
