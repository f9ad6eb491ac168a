"""The access trail: to whom documents were handed, how, and what for."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from domain.clients import Client
from domain.errors import InvalidInput
from domain.text import printable

PURPOSE_HEADER = "X-Autos-Purpose"
MAX_PURPOSE_LENGTH = 200
# An API key, a webhook secret or a JSON Web Token, sent by mistake: the trail is read by others.
_SECRET = re.compile(r"\b(autos_[a-z0-9]{8}_|whsec_|eyJ)")


class AccessKind(StrEnum):
    """How documents were handed over.

    LINK: Signed links in an answer of the API.
    CONTENT: A redirect to a signed link.
    PAGE: The same, opened from a page of this service.
    ARCHIVE: The bytes, in the ZIP of a process.
    BUNDLE: A signed link to a bundle that contains them.
    EVENT: Signed links in a webhook event.
    """

    LINK = "link"
    CONTENT = "content"
    PAGE = "page"
    ARCHIVE = "archive"
    BUNDLE = "bundle"
    EVENT = "event"


@dataclass(frozen=True, slots=True)
class Recipient:
    """Who gets documents, and for what.

    Attributes:
        client: The client, with the scopes that decide what it may read.
        request_id: The id of its request. None if no request asked for the documents.
        purpose: What the client wants them for, in its own words. None if it did not say.
        event_id: The webhook event that carries them. None if it is an answer.
        from_page: Whether a page of this service asks.
    """

    client: Client
    request_id: str | None = None
    purpose: str | None = None
    event_id: str | None = None
    from_page: bool = False


@dataclass(frozen=True, slots=True)
class Access:
    """Documents of one process that were handed to one recipient at once.

    Attributes:
        how: How they were handed over.
        document_ids: Their ids. A former content has the id of its document, a slash and its version.
    """

    recipient: Recipient
    process_number: str
    how: AccessKind
    document_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RecordedAccess:
    """An access as the trail has it.

    Attributes:
        number: Its number in the trail. Together with ``at`` it is the key of keyset pagination.
        key_id: The public part of the key. None without keys, and for the key in the settings.
    """

    number: int
    at: datetime
    process_number: str
    client: str
    key_id: str | None
    how: AccessKind
    document_ids: tuple[str, ...]
    request_id: str | None
    event_id: str | None
    purpose: str | None


@dataclass(frozen=True, slots=True)
class AccessFilter:
    """Which accesses to list. None means all.

    Attributes:
        document_id: Only accesses to this document, of the process that ``process_number`` names.
        since: Only accesses at this time or later.
        until: Only accesses before this time.
    """

    process_number: str | None = None
    client: str | None = None
    document_id: str | None = None
    how: AccessKind | None = None
    since: datetime | None = None
    until: datetime | None = None


def read_purpose(values: list[str]) -> str | None:
    """Return the purpose in the values of the header, as ISO-8859-1 text, in one clean line.

    Returns:
        None without the header, and if it is blank.

    Raises:
        InvalidInput: The header is repeated, too long or contains a secret.
    """
    if not values:
        return None
    if len(values) > 1:
        raise _invalid_purpose("was sent more than once. Send one")
    purpose = printable(_decode(values[0]))
    if len(purpose) > MAX_PURPOSE_LENGTH:
        raise _invalid_purpose(f"is longer than {MAX_PURPOSE_LENGTH} characters. Send a shorter text")
    if _SECRET.search(purpose):
        raise _invalid_purpose("contains a key or a token. Send a text that others may read")
    return purpose or None


def _decode(value: str) -> str:
    """Return the text of a header: UTF-8, as most clients send it, or else ISO-8859-1, as HTTP has it."""
    try:
        return value.encode("latin-1").decode()
    except UnicodeError:
        return value


def _invalid_purpose(reason: str) -> InvalidInput:
    return InvalidInput(f"{PURPOSE_HEADER} {reason}.", field=PURPOSE_HEADER)
